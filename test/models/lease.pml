/* SPDX-License-Identifier: MIT
 * lease.pml - src/lock/redlock.c, round.c: exclusion and growing tokens over three nodes.
 *
 * Two contenders, one of which makes two attempts. An attempt asks the nodes in any order, one step at each,
 * with others' steps between; a question may not arrive, and an answer may be lost after its effect.
 * With a majority it settles the token: those that gave less are told the greatest. Then it holds,
 * or else gives back what it has; that, too, may be late, and arrive in the middle of a later
 * attempt. Time is left out: nothing lapses. Shown: never two holders, and each has a greater token
 * than the one before.
 *
 * BROKEN_minority: one node of three is enough
 * BROKEN_unsettled: the greatest token counts although others of the majority gave less
 * BROKEN_same_value: the attempts of a contender have one value */
#define NODES 3
#ifdef BROKEN_minority
#define QUORUM 1
#else
#define QUORUM 2
#endif

byte value[NODES];   /* 0: free */
byte counter[NODES]; /* the last token */
byte late[NODES];    /* a release on its way: of this value */
byte holders, last;

inline set(n, ok)
{
    if
    :: value[n] == 0 || value[n] == mine -> value[n] = mine; ok = 1
    :: else -> ok = 0
    fi
}

/* Each node once, in any order; asked is a set of bits. */
inline acquire_all()
{
    asked = 0; yes = 0; token = 0; same = 0;
    do
    :: asked != 7 ->
        if
        :: !(asked & 1) -> n = 0
        :: !(asked & 2) -> n = 1
        :: !(asked & 4) -> n = 2
        fi;
        asked = asked | (1 << n);
        d_step { set(n, ok); if :: ok -> counter[n]++ :: else fi; given = counter[n] };
        if
        :: ok -> /* the answer comes */
            yes++;
            if
            :: given > token -> token = given; same = 1
            :: given == token -> same++
            :: else
            fi
        :: true /* it is lost, or it was a no */
        fi
    :: asked != 7 -> /* one that is not reached */
        if
        :: !(asked & 1) -> asked = asked | 1
        :: !(asked & 2) -> asked = asked | 2
        :: !(asked & 4) -> asked = asked | 4
        fi
    :: asked == 7 -> break
    od
}

inline settle()
{
    told = 0; n = 0;
    do
    :: n < NODES ->
        d_step {
            set(n, ok);
            if :: ok && counter[n] < token -> counter[n] = token :: else fi
        };
        if :: ok -> told++ :: true fi;
        n++
    :: n == NODES -> break
    od
}

inline release_all()
{
    n = 0;
    do
    :: n < NODES ->
        if
        :: true -> d_step { if :: value[n] == mine -> value[n] = 0 :: else fi }
        :: late[n] == 0 -> late[n] = mine
        fi;
        n++
    :: n == NODES -> break
    od
}

proctype contender(byte me; byte attempts)
{
    byte attempt, mine, n, asked, yes, token, same, told, given;
    bit ok;

    do
    :: attempt < attempts ->
        attempt++;
#ifdef BROKEN_same_value
        mine = me;
#else
        mine = 2 * attempt + me;
#endif
        acquire_all();
#ifndef BROKEN_unsettled
        told = same;
        if
        :: yes >= QUORUM && same < QUORUM -> settle()
        :: else
        fi;
#else
        told = yes;
#endif
        if
        :: yes >= QUORUM && told >= QUORUM ->
            d_step {
                assert(holders == 0);
                assert(token > last);
                holders = 1;
                last = token
            };
            holders = 0
        :: else
        fi;
        release_all();
        atomic { n = 0; yes = 0; token = 0; same = 0; told = 0; given = 0; ok = 0 } /* fewer states */
    :: attempt == attempts -> break
    od
}

/* What was late arrives, or never does. */
active [NODES] proctype mail()
{
end:
    do
    :: d_step {
            late[_pid] != 0 ->
            if :: value[_pid] == late[_pid] -> value[_pid] = 0 :: else fi;
            late[_pid] = 0
        }
    od
}

init
{
    atomic { run contender(1, 2); run contender(2, 1) }
}
