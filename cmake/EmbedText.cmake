# SPDX-License-Identifier: MIT
# cmake -DOUT=file.h -DPREFIX=name -DFILES=a.html;b.css -P EmbedText.cmake: <PREFIX>_files[], the name
# and the text of each file, and one without a name.
set(text "/* Made by cmake/EmbedText.cmake. */\n")
set(table "")
set(n 0)
foreach(file IN LISTS FILES)
    get_filename_component(name ${file} NAME)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(APPEND text "static const char ${PREFIX}_${n}[] = {${bytes}0};\n")
    string(APPEND table "{\"${name}\", ${PREFIX}_${n}}, ")
    math(EXPR n "${n} + 1")
endforeach()
string(APPEND text "static const struct {\n    const char *name, *text;\n} ${PREFIX}_files[] = {${table}{0}};\n")
file(WRITE ${OUT} "${text}")
