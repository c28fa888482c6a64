# SPDX-License-Identifier: MIT
# cmake -DOUT=file.h -DPREFIX=name -DFILES=a.html;b.css -P EmbedText.cmake: each file as an array of
# characters <PREFIX>_<extension>, ended by 0.
set(text "/* Made by cmake/EmbedText.cmake. */\n")
foreach(file IN LISTS FILES)
    get_filename_component(extension ${file} LAST_EXT)
    string(SUBSTRING ${extension} 1 -1 extension)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(APPEND text "static const char ${PREFIX}_${extension}[] = {${bytes}0};\n")
endforeach()
file(WRITE ${OUT} "${text}")
