#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Decodes profiles (pprof's profile.proto) by the schema's field numbers, checks that what refers to
something finds it, and prints a line a sample.

usage: decode.py FILE..."""
import sys
from pathlib import Path


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        assert shift < 70, 'a varint is too long'


def fields(data):
    """(number, value) of each field: an int or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            assert key & 7 == 2, f'wire type {key & 7}'
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            assert len(value) == length, 'a field is cut off'
        yield key >> 3, value


def message(data):
    out = {}
    for number, value in fields(data):
        out.setdefault(number, []).append(value)
    return out


def one(m, number):
    return m.get(number, [0])[0]


def check(path):
    name = Path(path).stem
    profile = message(Path(path).read_bytes())
    strings = [s.decode() for s in profile[6]]
    assert strings[0] == '', 'the first string is empty'
    types = [strings[one(message(t), 1)] for t in profile[1]]
    mappings = {one(message(m), 1): message(m) for m in profile[3]}
    functions = {one(message(f), 1): message(f) for f in profile.get(5, [])}
    locations = {}
    for data in profile.get(4, []):
        m = message(data)
        assert one(m, 1) not in locations and one(m, 1) != 0, 'a location has an id of its own'
        locations[one(m, 1)] = m
        if one(m, 2):
            mapping = mappings[one(m, 2)]
            assert one(mapping, 2) <= one(m, 3) < one(mapping, 3), 'an address is in its mapping'
    seen = set()
    for data in profile.get(2, []):
        sample = message(data)
        values = sample[2]
        assert len(values) == len(types), 'a sample has a value of each type'
        frames = []
        for location in sample[1]:
            line = message(one(locations[location], 4)) if 4 in locations[location] else {}
            function = functions[one(line, 1)] if line else {}
            frames.append(f'{strings[one(function, 2)] or hex(one(locations[location], 3))}'
                          f':{one(line, 2)}')
        labels = [message(label) for label in sample.get(3, [])]
        texts = ' '.join(f'{strings[one(m, 1)]}={strings[one(m, 2)]}' for m in labels)
        assert (tuple(sample[1]), texts) not in seen, 'identical samples are one'
        seen.add((tuple(sample[1]), texts))
        numbers = ' '.join(f'{t}={v}' for t, v in zip(types, values))
        print(f'{name}: {numbers} {" ".join(frames)} {texts}')


for argument in sys.argv[1:]:
    check(argument)
