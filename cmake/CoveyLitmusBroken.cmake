# SPDX-License-Identifier: MIT
# The edges that are taken away, one at a time, to see that ThreadSanitizer misses them. In files
# that unlock a lock of os/lock.h a macro stands in for the unlock, without its release.

set(unlock "/^#include \"sched\\/wait(able)?\\.h\"/a #define cvy_unlock(l) (cvy_lock_given(l), cvy_store_relaxed(\\&(l)->word, 0))")

covey_litmus_broken(send chan src/chan/chan.c ${unlock} send_before_its_try_receive)
covey_litmus_broken(close chan src/chan/chan.c ${unlock} close_before_the_send_that_sees_it)
covey_litmus_broken(receive chan src/chan/chan.c ${unlock}
    first_receive_before_the_third_send_completes)
covey_litmus_broken(unlock sync src/sync/mutex.c "s/memory_order_release/memory_order_relaxed/"
    unlock_before_the_next_try_lock)
covey_litmus_broken(rw_unlock sync src/sync/rwmutex.c
    "s/cvy_cas_acq_rel\\(/cvy_cas_acquire(/" writers_unlock_before_the_next_rlock)
covey_litmus_broken(release sync src/sync/sem.c ${unlock} release_before_the_next_try_acquire)
covey_litmus_broken(once sync src/sync/once.c "s/cvy_store_release/cvy_store_relaxed/"
    once_before_every_call_returns)
covey_litmus_broken(done sync src/sync/waitgroup.c "s/cvy_cas_acq_rel\\(/cvy_cas_acquire(/"
    done_before_wait_returns)
covey_litmus_broken(cancel ctx src/sched/cancel.c "s/cvy_store_release/cvy_store_relaxed/"
    cancel_before_err_tells)
covey_litmus_broken(end task src/group/group.c "s/cvy_cas_acq_rel\\(/cvy_cas_acquire(/"
    end_before_the_groups_wait_returns)
covey_litmus_broken(store map src/sync/map.c "s/cvy_store_release/cvy_store_relaxed/"
    change_before_the_load_that_sees_it)
covey_litmus_broken(insert map src/sync/table.c "s/cvy_store_release/cvy_store_relaxed/"
    store_before_the_load_that_sees_it_read_mostly)
covey_litmus_broken(publish map src/sync/value.c "s/cvy_store_release/cvy_store_relaxed/"
    publish_before_the_acquire_that_sees_it)
