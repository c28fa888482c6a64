/* SPDX-License-Identifier: MIT
 * rwmutex.pml - src/sync/rwmutex.c: covey_rwmutex, its parking lot, reservation, hand-over,
 * cancellation.
 *
 * A writer, a reader and one that is either, each once or twice; the writer's wait may be
 * cancelled; any wait may have been long enough to be handed the lock, any spin too short. Shown:
 * a writer is alone, no wake is lost (all end, and the word is as it was), who was cancelled neither
 * holds the lock nor stands in the lot, and who gives it back does not touch it once another may
 * have freed it.
 *
 * BROKEN_no_door: newcomers do not look whether it is closed
 * BROKEN_stays_reserved: who has reserved it and waits does not take that back
 * BROKEN_reserves_past: a newcomer reserves it past those who stand in the lot
 * BROKEN_gives_up_blind: who gives up does not look whether the readers have left meanwhile
 * BROKEN_woken_stays: who was woken waits again and does not take WOKEN back
 * BROKEN_hand_any: the lock is handed over without a claim
 * BROKEN_hand_reserved: the lock is handed over though it is reserved
 * BROKEN_free_first: the last holder gives it back before it has the lot
 * BROKEN_look_back: who was not the last after all looks for waiters still */
#include "lock.pmh"
#define TASKS 3
#define NOBODY 255
mtype = { CLOSED, OPEN, TAKEN, TAKEN_CTX };
mtype = { NONE, WOKEN, WRITER }; /* what in the word speaks of a task */

bit lot_lock;
bit writer, waiters, woken; /* the word: changed together, in one step */
byte readers;
chan lot = [TASKS] of { byte };
mtype claim[TASKS] = CLOSED;
bit writes[TASKS], handed[TASKS], wake[TASKS];
byte writing, reading;
byte users; /* within a call or with the lock: while there are some nobody frees it */

#define is_closed (waiters && !woken)
#ifdef BROKEN_no_door
#define is_open(w) (!writer && (!(w) || readers == 0))
#else
#define is_open(w) (!is_closed && !writer && (!(w) || readers == 0))
#endif

inline add(w)
{
    if :: writes[w] -> writer = 1 :: else -> readers++ fi
}

inline give_back()
{
    if :: writes[me] -> writer = 0 :: else -> readers-- fi
}

/* Who releases, the last, has opened it for others: it is theirs from now on. */
inline opened()
{
    if :: releases -> releases = 0; users-- :: else fi
}

/* grant_locked(), the lot locked. */
inline grant_locked()
{
    do
    :: atomic { /* a look: the first, and the state */
        w = NOBODY;
        assert(users > 0);
        if
        :: empty(lot) -> waiters = 0; opened()
        :: else ->
            lot ? <w>;
            if
#ifdef BROKEN_hand_reserved
            :: woken || (writes[w] && readers > 0) -> w = NOBODY
#else
            :: writer || woken || (writes[w] && readers > 0) -> w = NOBODY
#endif
            :: else
            fi
        fi
    };
        if
        :: w == NOBODY -> break
        :: else ->
            atomic {
                lot ? _;
                if
                :: claim[w] == OPEN -> claim[w] = TAKEN
#ifdef BROKEN_hand_any
                :: claim[w] == TAKEN_CTX
#endif
                :: else -> w = NOBODY
                fi
            };
            if
            :: w == NOBODY
            :: w != NOBODY -> atomic { handed[w] = 1; add(w); list[w] = 1; opened() }
            :: w != NOBODY -> atomic { woken = 1; list[w] = 1; opened() }
            fi
        fi
    od
}

inline wake_all()
{
    d_step {
        for (w : 0 .. TASKS - 1) {
            if :: list[w] -> wake[w] = 1; list[w] = 0 :: else fi
        }
        w = 0
    }
}

proctype task(byte me; byte times; bit may_write; bit may_read)
{
    byte w, n;
    bit is_in, releases;
    bit list[TASKS];
    mtype own;

again:
    if :: times == 0 -> goto stop :: else -> times-- fi;
    own = NONE;
    users++;
    if
    :: may_write -> writes[me] = 1
    :: may_read -> writes[me] = 0
    fi;
    do
    :: atomic { /* try_take_as() */
        is_in = is_open(writes[me]);
        if :: is_in -> woken = woken && own != WOKEN; add(me) :: else fi
    };
        if :: is_in -> break :: else fi;
        if
        :: true /* it looks no longer */
        :: writes[me] -> /* try_reserve() */
            atomic {
                if
#ifdef BROKEN_reserves_past
                :: !writer ->
#else
                :: !writer && (own == WOKEN || !waiters) ->
#endif
                    woken = woken && own != WOKEN;
                    writer = 1;
                    own = WRITER
                :: else
                fi
            };
            if
            :: own == WRITER && readers == 0 -> break
            :: true
            fi
        fi;
        lock(lot_lock);
        atomic { /* announce_locked() */
#ifdef BROKEN_gives_up_blind
            is_in = (own == WRITER -> 0 : is_open(writes[me]));
#else
            is_in = (own == WRITER -> readers == 0 : is_open(writes[me]));
#endif
            if
            :: !is_in ->
                waiters = 1;
#ifndef BROKEN_woken_stays
                woken = woken && own != WOKEN;
#endif
#ifndef BROKEN_stays_reserved
                writer = writer && own != WRITER
#endif
            :: else
            fi
        };
        if
        :: is_in ->
            unlock(lot_lock);
            if :: own == WRITER -> break :: else fi
        :: else ->
            atomic {
                n = (own == NONE -> 0 : len(lot));
                lot ! me;
                do :: n > 0 -> lot ? w; lot ! w; n-- :: else -> break od; /* in front */
                w = 0;
                claim[me] = OPEN;
                handed[me] = 0
            };
            unlock(lot_lock);
            own = NONE;
            atomic { wake[me] == 1 -> wake[me] = 0 };
            if
            :: claim[me] == TAKEN_CTX ->
                lock(lot_lock);
                atomic { if :: lot ?? [eval(me)] -> lot ?? eval(me) :: else fi };
                unlock(lot_lock);
                claim[me] = CLOSED;
                assert(!handed[me]);
                lock(lot_lock); /* grant(0) */
                grant_locked();
                unlock(lot_lock);
                wake_all();
                users--;
                goto again
            :: else
            fi;
            claim[me] = CLOSED;
            if :: handed[me] -> break :: else -> own = WOKEN fi
        fi
    od;
    assert(!(lot ?? [eval(me)]));
    if
    :: !writes[me] && own == WOKEN && waiters ->
        lock(lot_lock); /* grant(0): those who stand together */
        grant_locked();
        unlock(lot_lock);
        wake_all()
    :: else
    fi;
    own = NONE;
    if
    :: writes[me] ->
        atomic { writing++; assert(writing == 1 && reading == 0 && writer && readers == 0) };
        writing--
    :: else ->
        atomic { reading++; assert(writing == 0 && readers > 0) };
        reading--
    fi;
    /* release(): what is left is WAITERS alone, or it is given back in one step */
    atomic {
        is_in = is_closed && (writes[me] || (readers == 1 && !writer));
        if
        :: !is_in ->
            give_back();
            users--
        :: else
        fi
    };
    if :: !is_in -> goto again :: else fi;
#ifdef BROKEN_free_first
    atomic { give_back(); users-- };
    lock(lot_lock);
    atomic { assert(users > 0); is_in = is_closed && !writer && readers == 0 };
#else
    lock(lot_lock);
    atomic {
        give_back();
        releases = is_closed && !writer && readers == 0;
#ifdef BROKEN_look_back
        is_in = 1;
#else
        is_in = releases;
#endif
        if :: !releases -> users-- :: else fi
    };
#endif
    if :: is_in -> grant_locked() :: else fi;
    unlock(lot_lock);
    wake_all();
    goto again;
stop:
    skip
}

/* The end of the first task's context. */
active proctype canceler()
{
end:
    atomic { claim[0] == OPEN -> claim[0] = TAKEN_CTX };
    wake[0] = 1
}

init
{
    atomic { run task(0, 1, 1, 0); run task(1, 2, 0, 1); run task(2, 2, 1, 1) };
    atomic { _nr_pr <= 2 -> assert(!writer && !readers && !waiters && !woken && users == 0) }
}
