# SPDX-License-Identifier: MIT
# How programs and tests are made. Which there are: CoveyTests.cmake.

set(covey_lib covey-static)
if(COVEY_TEST_SHARED)
    set(covey_lib covey)
endif()

# covey_register(<test> <label> <seconds> [<VAR=value>...]): properties that all tests share.
function(covey_register test label seconds)
    math(EXPR seconds "${seconds} * ${COVEY_TEST_TIMEOUT}")
    set(env ${ARGN}
        COVEY_TEST_TIMEOUT=${COVEY_TEST_TIMEOUT}
        COVEY_SANITIZER=${COVEY_SANITIZER}
        COVEY_SOURCE_DIR=${PROJECT_SOURCE_DIR}
        COVEY_BUILD_DIR=${PROJECT_BINARY_DIR}
        COVEY_COMMAND=${PROJECT_BINARY_DIR}/covey)
    if(COVEY_SANITIZER STREQUAL "asan")
        list(APPEND env UBSAN_OPTIONS=print_stacktrace=1)
    elseif(COVEY_SANITIZER STREQUAL "tsan")
        list(APPEND env
            TSAN_OPTIONS=second_deadlock_stack=1:suppressions=${PROJECT_SOURCE_DIR}/test/tsan.supp)
    endif()
    set_tests_properties(${test} PROPERTIES
        LABELS "${label}" TIMEOUT ${seconds} SKIP_RETURN_CODE 77 ENVIRONMENT "${env}")
endfunction()

# covey_add_program(<target> <source> <output folder>): a user's program, with libcovey and those of
# the other libraries, and OpenSSL, whose headers it includes.
function(covey_add_program target source folder)
    get_filename_component(stem ${source} NAME_WE)
    add_executable(${target} ${source})
    set_target_properties(${target} PROPERTIES
        OUTPUT_NAME ${stem} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${folder})
    target_compile_options(${target} PRIVATE
        -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -fno-omit-frame-pointer)
    foreach(part http tls sql redis)
        file(STRINGS ${source} uses LIMIT_COUNT 1
            REGEX "^#include <covey/(${covey_${part}_names})\\.h>")
        if(uses)
            string(REPLACE covey covey-${part} library ${covey_lib})
            target_link_libraries(${target} PRIVATE ${library})
        endif()
    endforeach()
    file(STRINGS ${source} uses_openssl LIMIT_COUNT 1 REGEX "^#include (<openssl/|.*tls_pair\\.h)")
    if(uses_openssl)
        target_link_libraries(${target} PRIVATE OpenSSL::SSL)
    endif()
    target_link_libraries(${target} PRIVATE ${covey_lib} Threads::Threads m)
endfunction()

# Whether source can be built here: what includes the header of a library that is not, cannot.
function(covey_can_build source result)
    set(${result} ON PARENT_SCOPE)
    foreach(part http tls sql redis)
        file(STRINGS ${source} uses LIMIT_COUNT 1
            REGEX "^#include <covey/(${covey_${part}_names})\\.h>")
        if(uses AND NOT covey_with_${part})
            set(${result} OFF PARENT_SCOPE)
        endif()
    endforeach()
endfunction()

# covey_programs(<folder>): each .c of it is a program, target <folder>-<stem>, with - for / in the
# folder. Sets <folder>_stems.
function(covey_programs folder)
    string(REPLACE "/" "-" prefix ${folder})
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.c)
    set(stems)
    foreach(source IN LISTS sources)
        covey_can_build(${source} can_build)
        if(can_build)
            get_filename_component(stem ${source} NAME_WE)
            covey_add_program(${prefix}-${stem} ${source} ${folder})
            list(APPEND stems ${stem})
        endif()
    endforeach()
    set(${folder}_stems ${stems} PARENT_SCOPE)
endfunction()

function(covey_examples)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "SERVERS")
    covey_programs(examples)
    covey_programs(examples/debugging)
    if(NOT COVEY_TESTS)
        return()
    endif()
    foreach(stem IN LISTS examples_stems)
        if(NOT stem IN_LIST arg_SERVERS)
            foreach(workers IN ITEMS 1 2 8)
                add_test(NAME example.${stem}.w${workers} COMMAND examples-${stem})
                covey_register(example.${stem}.w${workers} example 120 COVEY_WORKERS=${workers})
            endforeach()
        endif()
    endforeach()
    foreach(stem IN LISTS examples/debugging_stems)
        foreach(workers IN ITEMS 1 2 8)
            add_test(NAME example.debugging.${stem}.w${workers} COMMAND examples-debugging-${stem})
            covey_register(example.debugging.${stem}.w${workers} example 120
                COVEY_WORKERS=${workers})
        endforeach()
    endforeach()
endfunction()

# covey_unit_tests(<layer>...): each src/<layer>/*_test.c, linked with the objects of its layer and
# of those below and nothing else, so that a call upward is an undefined reference.
function(covey_unit_tests)
    foreach(layer IN LISTS ARGN)
        foreach(source IN LISTS covey_tests_${layer})
            get_filename_component(stem ${source} NAME_WE)
            set(target unit-${layer}-${stem})
            add_executable(${target} ${source})
            set_target_properties(${target} PROPERTIES
                RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/test/${layer} OUTPUT_NAME ${stem})
            target_link_libraries(${target} PRIVATE covey_harness covey_flags)
            foreach(object IN LISTS covey_objects_${layer})
                target_link_libraries(${target} PRIVATE ${object})
            endforeach()
            if(layer MATCHES "^(http|tools)$")
                target_link_libraries(${target} PRIVATE ${covey_http_libraries} ${covey_lib})
            elseif(layer STREQUAL "tls")
                target_link_libraries(${target} PRIVATE OpenSSL::SSL ${covey_lib})
            elseif(layer STREQUAL "sql")
                target_link_libraries(${target} PRIVATE ${sql_libraries} ${covey_lib})
            elseif(layer STREQUAL "redis")
                target_link_libraries(${target} PRIVATE hiredis ${covey_lib})
            endif()
            string(REGEX REPLACE "_test$" "" stem ${stem})
            add_test(NAME unit.${layer}.${stem} COMMAND ${target})
            covey_register(unit.${layer}.${stem} unit 300)
        endforeach()
    endforeach()
endfunction()

# covey_suite(<folder> SECONDS <n> [WORKERS <n>...] [RUNNER <command>...]): each test/<folder>/*_test.c, linked as a user
# would, and each *_test.sh. Registered once for each number of workers. RUNNER: a command that is
# given the test's as its arguments.
function(covey_suite folder)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "SECONDS" "WORKERS;RUNNER")
    if(NOT arg_WORKERS)
        set(arg_WORKERS default)
    endif()
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/${folder}/*_test.c)
    file(GLOB scripts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/${folder}/*_test.sh)
    foreach(source IN LISTS sources)
        covey_can_build(${source} can_build)
        if(can_build)
            get_filename_component(stem ${source} NAME_WE)
            set(target ${folder}-${stem})
            covey_add_program(${target} ${source} test/${folder})
            target_link_libraries(${target} PRIVATE covey_harness)
            string(REGEX REPLACE "_test$" "" stem ${stem})
            set(command ${target})
            if(arg_RUNNER)
                set(command ${arg_RUNNER} $<TARGET_FILE:${target}>)
            endif()
            foreach(workers IN LISTS arg_WORKERS)
                covey_add_suite_test(${folder}.${stem} ${workers} COMMAND ${command})
            endforeach()
        endif()
    endforeach()
    if(CMAKE_CROSSCOMPILING)
        return() # a script would start the programs without the emulator
    endif()
    foreach(source IN LISTS scripts)
        get_filename_component(stem ${source} NAME_WE)
        string(REGEX REPLACE "_test$" "" stem ${stem})
        covey_add_suite_test(${folder}.${stem} default COMMAND bash ${source})
    endforeach()
endfunction()

# One entry of a suite. Uses covey_suite()'s variables.
macro(covey_add_suite_test name workers)
    if("${workers}" STREQUAL "default")
        add_test(NAME ${name} ${ARGN})
        covey_register(${name} ${folder} ${arg_SECONDS})
    else()
        add_test(NAME ${name}.w${workers} ${ARGN})
        covey_register(${name}.w${workers} ${folder} ${arg_SECONDS} COVEY_WORKERS=${workers})
    endif()
endmacro()

# covey_litmus_broken(<name> <program> <file> <sed expression> <test>): test/litmus/<program>_test.c
# linked with a copy of <file> in which the expression has weakened an edge, whose race <test> must
# show. The copy stands before the library and defines the same symbols, so it takes the file's place.
function(covey_litmus_broken name program file expression test)
    set(target litmus-broken-${name})
    set(copy ${PROJECT_BINARY_DIR}/test/litmus/broken/${name}.c)
    add_custom_command(OUTPUT ${copy}
        COMMAND sed -E ${expression} ${PROJECT_SOURCE_DIR}/${file} > ${copy}
        COMMAND sh -c "! cmp -s ${PROJECT_SOURCE_DIR}/${file} ${copy}" # the expression still fits
        DEPENDS ${PROJECT_SOURCE_DIR}/${file} VERBATIM)
    covey_add_program(${target} ${PROJECT_SOURCE_DIR}/test/litmus/${program}_test.c test/litmus/broken)
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name})
    add_library(${target}-copy OBJECT ${copy})
    target_link_libraries(${target}-copy PRIVATE covey_flags)
    target_link_libraries(${target} PRIVATE ${target}-copy covey_harness)
    add_test(NAME litmus.broken.${name} COMMAND
        bash ${PROJECT_SOURCE_DIR}/test/litmus/broken.sh $<TARGET_FILE:${target}> ${test})
    covey_register(litmus.broken.${name} litmus 60)
endfunction()

# covey_crash_tests(): each test/crash/NAME.c must die, and its standard error match NAME.expect.
function(covey_crash_tests)
    if(CMAKE_CROSSCOMPILING)
        return()
    endif()
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/crash/*.c)
    foreach(source IN LISTS sources)
        get_filename_component(stem ${source} NAME_WE)
        covey_add_program(crash-${stem} ${source} test/crash)
        add_test(NAME crash.${stem} COMMAND bash ${PROJECT_SOURCE_DIR}/test/crash/run.sh
            $<TARGET_FILE:crash-${stem}> ${PROJECT_SOURCE_DIR}/test/crash/${stem}.expect)
        covey_register(crash.${stem} crash 60)
    endforeach()
endfunction()

# Whether a fuzz target's layer is built.
function(covey_can_fuzz source result)
    file(STRINGS ${source} needs_http LIMIT_COUNT 1 REGEX "fuzz-layer: (http|tools)")
    file(STRINGS ${source} needs_redis LIMIT_COUNT 1 REGEX "fuzz-layer: redis")
    set(${result} ON PARENT_SCOPE)
    if(needs_redis AND NOT covey_with_redis)
        set(${result} OFF PARENT_SCOPE)
    endif()
    if(needs_http AND NOT covey_with_http)
        set(${result} OFF PARENT_SCOPE)
    endif()
endfunction()

# covey_fuzz_replays(): each test/fuzz/NAME_fuzz.c run over test/fuzz/corpus/NAME/ without a fuzzer.
# covey_fuzzers(): the same programs with libFuzzer.
function(covey_fuzz_program target source)
    add_executable(${target} ${source} ${ARGN})
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/test/fuzz)
    target_link_libraries(${target} PRIVATE covey_flags)
    # A fuzzer may reach into one layer's objects; the line says which: /* fuzz-layer: http */
    file(STRINGS ${source} layer LIMIT_COUNT 1 REGEX "fuzz-layer: ")
    if(layer MATCHES "fuzz-layer: ([a-z]+)")
        set(layer ${CMAKE_MATCH_1})
        foreach(object IN LISTS covey_objects_${layer})
            target_link_libraries(${target} PRIVATE ${object})
        endforeach()
        if(layer MATCHES "^(http|tools)$")
            target_link_libraries(${target} PRIVATE ${covey_http_libraries} covey-static)
        elseif(layer STREQUAL "redis")
            target_link_libraries(${target} PRIVATE hiredis covey-static)
        endif()
    else()
        target_link_libraries(${target} PRIVATE covey-static)
    endif()
endfunction()

function(covey_fuzz_replays)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/fuzz/*_fuzz.c)
    foreach(source IN LISTS sources)
        covey_can_fuzz(${source} can_fuzz)
        if(NOT can_fuzz)
            continue()
        endif()
        get_filename_component(stem ${source} NAME_WE)
        string(REGEX REPLACE "_fuzz$" "" stem ${stem})
        covey_fuzz_program(replay-${stem} ${source} ${PROJECT_SOURCE_DIR}/test/harness/replay.c)
        add_test(NAME fuzz.${stem}
            COMMAND replay-${stem} ${PROJECT_SOURCE_DIR}/test/fuzz/corpus/${stem})
        covey_register(fuzz.${stem} fuzz 60)
    endforeach()
endfunction()

function(covey_fuzzers)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/fuzz/*_fuzz.c)
    foreach(source IN LISTS sources)
        covey_can_fuzz(${source} can_fuzz)
        if(NOT can_fuzz)
            continue()
        endif()
        get_filename_component(stem ${source} NAME_WE)
        string(REGEX REPLACE "_fuzz$" "" stem ${stem})
        covey_fuzz_program(fuzz-${stem} ${source})
        target_compile_options(fuzz-${stem} PRIVATE -fsanitize=fuzzer)
        target_link_options(fuzz-${stem} PRIVATE -fsanitize=fuzzer)
    endforeach()
endfunction()
