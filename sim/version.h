/* SPDX-License-Identifier: BSD-3-Clause */
/* The version that evenkeel prints and run directories carry: lib/version.h. */
#ifndef EK_VERSION_H
#define EK_VERSION_H

#include "lib/version.h"

#endif
