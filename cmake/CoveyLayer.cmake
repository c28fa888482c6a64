# SPDX-License-Identifier: MIT
# covey_layer() and covey_library(): one object library per folder of src/, and libraries made of
# them.
include(CheckCCompilerFlag)

# What all of covey's C code is compiled with. Nothing of it reaches users of the library.
add_library(covey_flags INTERFACE)
target_include_directories(covey_flags INTERFACE
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
foreach(flag
        -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
        -fvisibility=hidden -fstack-clash-protection -fno-omit-frame-pointer
        # Calls through the GOT are bound at load: the first lazily bound call would need 3 KB of a
        # stack that may be 2 KiB.
        -fno-plt)
    string(MAKE_C_IDENTIFIER "COVEY_HAS_${flag}" known)
    # clang knows -fstack-clash-protection on some processors only, and warns on the others.
    set(CMAKE_REQUIRED_FLAGS -Werror)
    check_c_compiler_flag(${flag} ${known})
    unset(CMAKE_REQUIRED_FLAGS)
    if(${known})
        target_compile_options(covey_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:${flag}>)
    endif()
endforeach()
if(COVEY_DEBUG)
    target_compile_definitions(covey_flags INTERFACE CVY_DEBUG=1)
endif()
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
target_link_libraries(covey_flags INTERFACE Threads::Threads)

# -std=gnu11
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# The suffix of src/os/switch_*.S.
string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" covey_arch)
if(covey_arch MATCHES "^(x86_64|amd64)$")
    set(covey_arch x86_64)
elseif(covey_arch MATCHES "^(aarch64|arm64)$")
    set(covey_arch aarch64)
else()
    message(FATAL_ERROR "covey: no switch_*.S for the processor ${CMAKE_SYSTEM_PROCESSOR}")
endif()

# covey_layer(<name> [DEPENDS <layer>...] [SOURCES <file>...] [LIBRARIES <lib>...]
#             [MAIN <file>...])
#
# The object library cvy_<name> of src/<name>. Without SOURCES: all its *.c but *_test.c and, of
# *_<arch>.S, this processor's. A folder without sources makes no library and is no error.
# Sets in the caller:
#   covey_objects_<name>  object libraries of the layer and of all below it
#   covey_tests_<name>    its *_test.c
#   covey_main_<name>     those of the MAIN files that exist; they are kept out of the library
# The layers from http upward see only <covey/...>: they depend on none of the core's layers, and what
# is made of them is linked with libcovey.
function(covey_layer name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;SOURCES;LIBRARIES;MAIN")
    set(folder ${PROJECT_SOURCE_DIR}/src/${name})
    file(GLOB tests CONFIGURE_DEPENDS ${folder}/*_test.c)
    if(NOT arg_SOURCES)
        file(GLOB arg_SOURCES CONFIGURE_DEPENDS ${folder}/*.c ${folder}/*_${covey_arch}.S)
    endif()
    set(main ${arg_SOURCES})
    list(TRANSFORM arg_MAIN PREPEND "${folder}/")
    list(REMOVE_ITEM arg_SOURCES ${tests} ${arg_MAIN})
    list(REMOVE_ITEM main ${tests} ${arg_SOURCES})

    set(objects)
    if(arg_SOURCES)
        set(objects cvy_${name})
        add_library(cvy_${name} OBJECT ${arg_SOURCES})
        set_target_properties(cvy_${name} PROPERTIES
            POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
        target_link_libraries(cvy_${name} PRIVATE covey_flags ${arg_LIBRARIES})
    endif()
    foreach(below IN LISTS arg_DEPENDS)
        list(APPEND objects ${covey_objects_${below}})
    endforeach()
    list(REMOVE_DUPLICATES objects)

    set(covey_objects_${name} ${objects} PARENT_SCOPE)
    set(covey_tests_${name} ${tests} PARENT_SCOPE)
    set(covey_main_${name} ${main} PARENT_SCOPE)
endfunction()

# covey_library(<name> LAYERS <layer>... MAP <file> HEADERS <file>... [USES <library>]
#               [PRIVATE_LIBRARIES <lib>...])
#
# lib<name>.a (target <name>-static) and lib<name>.so (target <name>, with COVEY_SHARED).
function(covey_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "MAP;USES" "LAYERS;HEADERS;PRIVATE_LIBRARIES")
    set(sources)
    foreach(layer IN LISTS arg_LAYERS)
        foreach(object IN LISTS covey_objects_${layer})
            list(APPEND sources $<TARGET_OBJECTS:${object}>)
        endforeach()
    endforeach()
    if(NOT sources)
        message(FATAL_ERROR "covey: no sources for ${name}")
    endif()

    set(kinds STATIC)
    if(COVEY_SHARED)
        list(APPEND kinds SHARED)
    endif()
    foreach(kind IN LISTS kinds)
        set(target ${name})
        set(uses ${arg_USES})
        if(kind STREQUAL "STATIC")
            set(target ${name}-static)
            list(TRANSFORM uses APPEND -static)
        endif()
        add_library(${target} ${kind} ${sources})
        add_library(covey::${target} ALIAS ${target})
        set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE C)
        target_include_directories(${target} INTERFACE
            $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
        # Users' programs too: a compact task's stack has no room for lazy binding.
        target_link_options(${target} INTERFACE LINKER:-z,now)
        target_link_libraries(${target} PUBLIC ${uses} PRIVATE ${arg_PRIVATE_LIBRARIES}
            Threads::Threads)
    endforeach()
    target_sources(${name}-static PUBLIC FILE_SET HEADERS
        BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${arg_HEADERS})

    if(COVEY_SHARED)
        # -z now: a task may run on a stack too small for the lazy binding of a function.
        set(map ${PROJECT_SOURCE_DIR}/${arg_MAP})
        target_link_options(${name} PRIVATE
            LINKER:--version-script=${map} LINKER:-z,now LINKER:-z,relro)
        set_target_properties(${name} PROPERTIES
            VERSION ${PROJECT_VERSION} SOVERSION ${covey_soversion} LINK_DEPENDS ${map}
            BUILD_RPATH_USE_ORIGIN ON INSTALL_RPATH "$ORIGIN")
    else()
        add_library(covey::${name} ALIAS ${name}-static)
        add_library(${name} ALIAS ${name}-static)
    endif()
endfunction()
