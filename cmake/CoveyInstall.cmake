# SPDX-License-Identifier: MIT
# What is installed: headers, libraries, .pc files, CMake package, man pages, the covey command.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/covey)

# A .pc finds its prefix from where it stands, so that an installed tree can be moved and
# `cmake --install --prefix` can be used. How far up that is depends on the libdir.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(covey_pc_prefix "${CMAKE_INSTALL_PREFIX}")
    set(covey_pc_libdir "${CMAKE_INSTALL_LIBDIR}")
else()
    file(RELATIVE_PATH up "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/p")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(covey_pc_prefix "\${pcfiledir}/${up}")
    set(covey_pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(covey_pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
else()
    set(covey_pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()

function(covey_install_library name export)
    configure_file(packaging/${name}.pc.in packaging/${name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/packaging/${name}.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
    install(TARGETS ${name}-static EXPORT ${export}-static
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    install(EXPORT ${export}-static NAMESPACE covey:: DESTINATION ${package_dir})
    if(COVEY_SHARED)
        install(TARGETS ${name} EXPORT ${export}-shared
            LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
            NAMELINK_COMPONENT Development)
        install(EXPORT ${export}-shared NAMESPACE covey:: DESTINATION ${package_dir})
    endif()
endfunction()

covey_install_library(covey covey)
# Not beside the libraries: nobody links it.
install(TARGETS covey-native LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/covey)
if(covey_with_tls)
    covey_install_library(covey-tls covey-tls)
endif()
if(covey_with_http)
    set(covey_pc_http_libs ${covey_http_libraries})
    list(REMOVE_ITEM covey_pc_http_libs CURL::libcurl)
    list(TRANSFORM covey_pc_http_libs PREPEND -l)
    list(JOIN covey_pc_http_libs " " covey_pc_http_libs)
    covey_install_library(covey-http covey-http)
endif()
install(TARGETS covey-command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
file(GLOB command_pages CONFIGURE_DEPENDS man/*.1)
if(NOT covey_with_http)
    list(FILTER command_pages EXCLUDE REGEX "fetch")
endif()
install(FILES ${command_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

if(covey_with_sql)
    set(covey_pc_sql_requires)
    set(covey_sql_packages)
    if(SQLite3_FOUND)
        list(APPEND covey_pc_sql_requires sqlite3)
        list(APPEND covey_sql_packages SQLite3)
    endif()
    if(PostgreSQL_FOUND)
        list(APPEND covey_pc_sql_requires libpq)
        list(APPEND covey_sql_packages PostgreSQL)
    endif()
    list(JOIN covey_sql_packages " " covey_sql_packages)
    list(JOIN covey_pc_sql_requires ", " covey_pc_sql_requires)
    covey_install_library(covey-sql covey-sql)
endif()

if(covey_with_redis)
    covey_install_library(covey-redis covey-redis)
endif()

configure_package_config_file(packaging/coveyConfig.cmake.in packaging/coveyConfig.cmake
    INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(packaging/coveyConfigVersion.cmake
    VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES
    ${PROJECT_BINARY_DIR}/packaging/coveyConfig.cmake
    ${PROJECT_BINARY_DIR}/packaging/coveyConfigVersion.cmake
    DESTINATION ${package_dir})

# For debuggers: docs/debugging.md.
install(DIRECTORY tools/gdb tools/lldb tools/debugger DESTINATION ${CMAKE_INSTALL_DATADIR}/covey
    FILES_MATCHING PATTERN "*.py")

# Man pages, from the comments of the headers. Without Python the library installs just as well.
find_package(Python3 COMPONENTS Interpreter QUIET)
if(Python3_FOUND)
    set(man_stamp ${PROJECT_BINARY_DIR}/man/stamp)
    add_custom_command(OUTPUT ${man_stamp}
        COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/scripts/gen_docs.py
            --man ${PROJECT_BINARY_DIR}/man
        COMMAND ${CMAKE_COMMAND} -E touch ${man_stamp}
        DEPENDS scripts/gen_docs.py ${covey_headers} ${covey_http_headers}
            ${covey_tls_headers} ${covey_sql_headers} ${covey_redis_headers}
        COMMENT "Man pages")
    add_custom_target(covey-man ALL DEPENDS ${man_stamp})
    install(DIRECTORY ${PROJECT_BINARY_DIR}/man/man3 ${PROJECT_BINARY_DIR}/man/man7
        DESTINATION ${CMAKE_INSTALL_MANDIR})
endif()
