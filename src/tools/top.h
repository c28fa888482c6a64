/* SPDX-License-Identifier: MIT
 * top.h - `covey top`: a running program's tasks, live in the terminal. */
#ifndef CVY_TOOLS_TOP_H
#define CVY_TOOLS_TOP_H

/* The command's status. */
int cvy_top_main(int argc, char **argv);

#endif
