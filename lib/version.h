/* SPDX-License-Identifier: BSD-3-Clause */
/* The version that every program prints and run directories carry. */
#ifndef EK_LIB_VERSION_H
#define EK_LIB_VERSION_H

#define EVENKEEL_VERSION "0.1.0"

#endif
