# SPDX-License-Identifier: MIT
# Which tests there are. Labels: unit, conformance, stress, litmus, fault, explore, crash, example,
# fetch, http, tls, sql, redis, profile, fuzz, rules, model, install.

add_library(covey_harness STATIC test/harness/harness.c)
target_include_directories(covey_harness PUBLIC test/harness)
target_compile_options(covey_harness PRIVATE -Wall -Wextra)

covey_unit_tests(base os trace sched sync ctx chan group io debug)
if(covey_with_http)
    covey_unit_tests(http tools)
endif()
if(covey_with_tls)
    covey_unit_tests(tls)
endif()

if(covey_with_sql)
    covey_unit_tests(sql)
endif()
if(covey_with_redis)
    covey_unit_tests(redis)
endif()

# What must hold whatever the parallelism is run with one worker, two, and more than there are CPUs.
covey_suite(conformance SECONDS 600 WORKERS 1 2 8)
covey_suite(stress SECONDS 900 WORKERS 1 2 8)
covey_suite(litmus SECONDS 300 WORKERS 1 2 8)
# What waits for database servers most of the time: each number of workers in one build.
if(COVEY_SANITIZER STREQUAL "asan")
    set(server_workers 1)
elseif(COVEY_SANITIZER)
    set(server_workers 2)
else()
    set(server_workers 8)
endif()
covey_suite(sql SECONDS 600 WORKERS ${server_workers}
    RUNNER bash ${PROJECT_SOURCE_DIR}/test/sql/with_postgres.sh)
covey_suite(redis SECONDS 600 WORKERS ${server_workers})
if(COVEY_SANITIZER STREQUAL "tsan")
    include(cmake/CoveyLitmusBroken.cmake)
endif()
if(covey_with_sql)
    covey_wrap_heap(sql-lack_test)
    target_sources(sql-fault_test PRIVATE test/fault/proxy.c)
    # Scenarios 14, 17 and 18 with a server.
    set(examples_with_postgres flash_sale_orders order_totals)
    if(covey_with_http)
        list(APPEND examples_with_postgres shared_deadline)
    endif()
    foreach(example IN LISTS examples_with_postgres)
        add_test(NAME example.${example}.postgres
            COMMAND bash ${PROJECT_SOURCE_DIR}/test/sql/with_postgres.sh
                sh -c "test \"$COVEY_TEST_POSTGRES\" || exit 77; exec \"$0\" --url \"$COVEY_TEST_POSTGRES\""
                $<TARGET_FILE:examples-${example}>)
        covey_register(example.${example}.postgres example 600)
    endforeach()
    if(covey_with_http)
        # The order service with one.
        add_test(NAME example.orders.postgres
            COMMAND bash ${PROJECT_SOURCE_DIR}/test/sql/with_postgres.sh
                sh -c "test \"$COVEY_TEST_POSTGRES\" || exit 77; exec python3 -B \"$0\" \"$1\" Postgres PostgresInvoices"
                ${PROJECT_SOURCE_DIR}/test/http/orders_test.py $<TARGET_FILE:examples-orders>)
        covey_register(example.orders.postgres example 600)
    endif()
endif()
if(covey_with_redis)
    covey_wrap_heap(redis-lack_test)
    # Scenario 21 with five servers and processes.
    add_test(NAME example.order_lease.redis
        COMMAND bash ${PROJECT_SOURCE_DIR}/test/redis/with_redis.sh 5
            sh -c "test \"$COVEY_TEST_REDIS\" || exit 77; exec \"$0\" --redis \"$COVEY_TEST_REDIS\" --ttl 1000"
            $<TARGET_FILE:examples-order_lease>)
    covey_register(example.order_lease.redis example 600)
    # Scenario 22 with worker processes.
    add_test(NAME example.distributed_group.redis
        COMMAND bash ${PROJECT_SOURCE_DIR}/test/redis/with_redis.sh 1
            sh -c "test \"$COVEY_TEST_REDIS\" || exit 77; exec \"$0\" --redis \"$COVEY_TEST_REDIS\""
            $<TARGET_FILE:examples-distributed_group>)
    covey_register(example.distributed_group.redis example 600)
    if(covey_with_http AND covey_with_sql)
        # The order service in several processes, on PostgreSQL if it is there.
        add_test(NAME example.orders.redis
            COMMAND bash ${PROJECT_SOURCE_DIR}/test/sql/with_postgres.sh
                bash ${PROJECT_SOURCE_DIR}/test/redis/with_redis.sh 3
                sh -c "test \"$COVEY_TEST_REDIS\" || exit 77; exec python3 -B \"$0\" \"$1\""
                ${PROJECT_SOURCE_DIR}/test/http/orders_redis_test.py $<TARGET_FILE:examples-orders>)
        covey_register(example.orders.redis example 600)
    endif()
endif()
covey_suite(fault SECONDS 600)
set_tests_properties(fault.alloc PROPERTIES COST 800) # the longest are begun first
covey_wrap_heap(fault-http_lack_test)
add_dependencies(fault-native_test covey-native) # which it loads
covey_wrap_heap(fault-fanout_lack_test)
covey_suite(explore SECONDS 600)
covey_suite(debugger SECONDS 900)
covey_suite(profile SECONDS 600)
if(covey_with_http)
    covey_suite(fetch SECONDS 600)
    covey_suite(http SECONDS 600)
    covey_wrap_heap(http-lack_test)
    covey_suite(trace SECONDS 600)
endif()
if(covey_with_tls)
    covey_suite(tls SECONDS 600)
endif()
# A default beside moving channels: the window between two cases, made wide.
if(COVEY_DEBUG AND NOT CMAKE_CROSSCOMPILING)
    add_test(NAME conformance.select.delay
        COMMAND ${CMAKE_COMMAND} -E env COVEY_DEBUG=delay COVEY_WORKERS=2
            $<TARGET_FILE:conformance-select_test> default_never)
    covey_register(conformance.select.delay conformance 600)
endif()
covey_crash_tests()
covey_fuzz_replays()

# Rules about the sources and packages need no particular build: they run once, in a plain one.
if(NOT COVEY_SANITIZER AND NOT CMAKE_CROSSCOMPILING)
    find_package(Python3 COMPONENTS Interpreter)
    if(Python3_FOUND)
        add_test(NAME rules.layers
            COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/test/layers/check.py)
        add_test(NAME rules.layers_self_test
            COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/test/layers/check_test.py)
        # The models of the protocols, each with broken variants (docs/proof.md); skipped without spin.
        add_test(NAME models COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/test/models/run.py)
        covey_register(models model 600)
        set_tests_properties(models PROPERTIES COST 1000)
        add_test(NAME rules.docs
            COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/scripts/gen_docs.py --check)
        add_test(NAME rules.excerpts
            COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/docs/check_excerpts.py)
        add_test(NAME rules.mutations
            COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/test/mutation/run --stale)
        add_test(NAME rules.mechanisms COMMAND ${PROJECT_SOURCE_DIR}/bench/without --stale)
        covey_register(rules.mutations rules 600)
        covey_register(rules.mechanisms rules 600)
        covey_register(rules.docs rules 600)
        covey_register(rules.excerpts rules 600)
        covey_register(rules.layers rules 600)
        covey_register(rules.layers_self_test rules 600)
    endif()
    find_program(shellcheck_program shellcheck)
    if(shellcheck_program)
        file(GLOB scripts CONFIGURE_DEPENDS scripts/*.sh test/*/*.sh)
        add_test(NAME rules.shellcheck COMMAND ${shellcheck_program} ${scripts} dev .ci/run
            WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
        covey_register(rules.shellcheck rules 600)
    endif()
    if(covey_with_http)
        # What the README has a newcomer run first.
        add_test(NAME fetch.demo
            COMMAND bash ${PROJECT_SOURCE_DIR}/scripts/demo.sh ${PROJECT_BINARY_DIR})
        covey_register(fetch.demo fetch 300)
    endif()
    add_test(NAME install.headers COMMAND bash ${PROJECT_SOURCE_DIR}/test/install/headers.sh)
    covey_register(install.headers install 300)
    add_test(NAME install.consumers COMMAND bash ${PROJECT_SOURCE_DIR}/test/install/run.sh)
    covey_register(install.consumers install 600)
    set_tests_properties(install.consumers PROPERTIES COST 900)
endif()
