// CPlatform: what Swift cannot say itself, in small inline functions.
//
// Each function here is one or a few machine instructions (checksums, prefetch, atomics through raw pointers,
// byte masks) or one system call whose flags are macros that Swift does not import. No logic of the project
// lives here. All names start with consent_. The only state is in CPlatform.c: checksum tables and whether
// this processor has a CRC32C instruction, both set once before main.

#ifndef CPLATFORM_H
#define CPLATFORM_H

#include "PlatformAddress.h"
#include "PlatformAtomics.h"
#include "PlatformBytes.h"
#include "PlatformChecksum.h"
#include "PlatformMemory.h"
#include "PlatformProcess.h"
#include "PlatformSipHash.h"
#include "PlatformTime.h"

#if __has_include("IndexPlatform.h")
#include "IndexPlatform.h"
#endif

#endif
