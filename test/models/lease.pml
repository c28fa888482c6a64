/* SPDX-License-Identifier: MIT
 * lease.pml - src/lock/redlock.c, round.c: exclusion and growing tokens over three nodes.
 *
 * Two contenders, one of which makes two attempts. An attempt asks the nodes in any order, one step
 * at each, with others' steps between; one question an attempt may not arrive, or its answer be lost
 * after its effect. With a majority it settles the token: those that gave less are told the greatest. Then it holds,
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
byte late_value;     /* a release on its way: of this value, */
byte late_node;      /* to this node; 0: there is none */
byte holders, last;

inline set(n, ok)
{
    if
    :: value[n] == 0 || value[n] == mine -> value[n] = mine; ok = 1
    :: else -> ok = 0
    fi
}

/* Each node once, in any order; asked is a set of bits. A question and its answer are one step: what
 * lies between concerns nobody else. */
inline acquire_all()
{
    do
    :: atomic {
            asked != 7 ->
            if
            :: !(asked & 1) -> n = 0
            :: !(asked & 2) -> n = 1
            :: !(asked & 4) -> n = 2
            fi;
            asked = asked | (1 << n);
            if
            :: set(n, ok);
                if
                :: ok -> counter[n]++; given = counter[n]
                :: else
                fi;
                if
                :: ok -> /* the answer comes */
                    yes++;
                    if
                    :: given > token -> token = given; same = 1
                    :: given == token -> same++
                    :: else
                    fi
                :: !ok
                :: losses == 0 -> losses++ /* it is lost */
                fi
            :: losses == 0 -> losses++ /* it is not reached */
            fi
        }
    :: asked == 7 -> break
    od
}

inline settle()
{
    n = 0;
    told = 0;
    do
    :: atomic {
            n < NODES ->
            set(n, ok);
            if :: ok && counter[n] < token -> counter[n] = token :: else fi;
            if :: ok -> told++ :: !ok :: losses == 0 -> losses++ fi;
            n++
        }
    :: n == NODES -> break
    od
}

inline release_all()
{
    n = 0;
    do
    :: atomic {
            n < NODES ->
            if
            :: true ->
                if :: value[n] == mine -> value[n] = 0 :: else fi
            :: late_value == 0 -> late_value = mine; late_node = n
            fi;
            n++
        }
    :: n == NODES -> break
    od
}

proctype contender(byte me; byte attempts)
{
    byte attempt, mine, n, asked, yes, token, same, told, given, losses;
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
        atomic { /* nothing stays: fewer states */
            n = 0; asked = 0; yes = 0; token = 0; same = 0; told = 0; given = 0; losses = 0; ok = 0
        }
    :: attempt == attempts -> break
    od
}

/* What was late arrives, or never does. */
active proctype mail()
{
end:
    do
    :: atomic {
            late_value != 0 ->
            if :: value[late_node] == late_value -> value[late_node] = 0 :: else fi;
            late_value = 0
        }
    od
}

init
{
    atomic { run contender(1, 2); run contender(2, 1) }
}
