/* SPDX-License-Identifier: BSD-3-Clause */
/* The version that --version prints and run directories carry. */
#ifndef EK_VERSION_H
#define EK_VERSION_H

#define EVENKEEL_VERSION "0.1.0"

#endif
