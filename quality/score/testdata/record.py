#!/usr/bin/env python3
"""Records what the published scorers return in Python, for the tests of this package.

    python3 record.py difflib 10000 >difflib.txt    # about a minute
    python3 record.py graders >graders.json

The strings are drawn by a generator that score_test.go has too. difflib.txt has the number of
matching characters of each pair, by difflib. The other graders are written here from their
definitions: HELMET's substring_exact_match, InfiniteBench's first_int_match, BABILong's
compare_answers, lm-evaluation-harness's and NVIDIA's GraphWalks, OpenAI's MRCR, Chroma's
normalized Levenshtein distance and position accuracy.
"""
import difflib
import json
import re
import string
import sys

MASK = (1 << 64) - 1


class Random:
    """SplitMix64."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return (z ^ (z >> 31)) % n


ALPHABETS = ["ab", "abcdefgh ", "aé\u0301中🙂\n", "etaoin shrdlu\ncmfwyp.,vbgk'jqxz"]
WORDS = "the tapir of a quiet river sings and sleeps, where moon's light falls\non stone; zebra quartz".split(" ")


def pair(seed):
    """Returns two strings: unrelated, or the second is an edited copy of the first."""
    r = Random(seed)
    if r.below(2) == 0:
        alphabet = ALPHABETS[r.below(len(ALPHABETS))]
        a = "".join(alphabet[r.below(len(alphabet))] for _ in range(r.below(400)))
    else:
        a = " ".join(WORDS[r.below(len(WORDS))] for _ in range(r.below(90)))
    if r.below(4) == 0:
        alphabet = ALPHABETS[r.below(len(ALPHABETS))]
        return a, "".join(alphabet[r.below(len(alphabet))] for _ in range(r.below(400)))
    b = a
    for _ in range(r.below(12)):
        at = r.below(len(b) + 1)
        cut = r.below(min(40, len(b) - at) + 1)
        put = ""
        if r.below(2) == 0:
            put = WORDS[r.below(len(WORDS))] * (1 + r.below(3))
        b = b[:at] + put + b[at + cut:]
    if r.below(8) == 0:
        b = b[len(b) // 2:] + b[:len(b) // 2]
    return a, b


def matches(a, b):
    return sum(block.size for block in difflib.SequenceMatcher(None, a, b).get_matching_blocks())


def normalize(s):
    s = "".join(c for c in s.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", s).split())


def final_answer(answer, strict):
    lines = answer.rstrip("\n").split("\n")
    for line in lines[-1:] if strict else reversed(lines):
        m = re.search(r"Final Answer:\s*\[(.*)\]", line)
        if m:
            return [x.strip().strip("'\"") for x in m.group(1).split(",") if x.strip()]
    return None


def first_digits(answer):
    return next((x for x in re.split("[^0-9]", answer) if x), "")


def only_label(answer, target, others):
    s = answer.lower().split(".")[0].split("<context>")[0].split("<example>")[0]
    return {x for x in [target] + others if x.lower() in s} == {target}


def f1(got, want):
    got, want = set(got), set(want)
    if not got and not want:
        return 1.0
    both = len(got & want)
    if both == 0:
        return 0.0
    recall, precision = both / len(want), both / len(got)
    return 2 * (recall * precision) / (recall + precision)


def prefixed(answer, reference, prefix):
    if not answer.startswith(prefix):
        return 0.0
    return difflib.SequenceMatcher(None, answer.removeprefix(prefix), reference).ratio()


def same_place(reference, answer, word):
    sought = " " + word if reference.endswith(" " + word) else word + " "
    if sought not in answer or sought not in reference:
        return 0.0
    return float(reference.index(sought) == answer.index(sought))


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


ANSWERS = [
    "", "\n", "Final Answer: []", "Final Answer: [ab, cd]", "Final Answer:[ab,cd,]\n\n", "Final Answer:\u00a0 ['ab', \"cd\"]",
    "I think so.\nFinal Answer: [ab, cd]\nExample 5:", "Final Answer: [x]\nFinal Answer: [ab]", "final answer: [ab]", "Final Answer: ab",
    "Final Answer: [ab], [cd]", "Final Answer: [\x1cab\x1d, \u2003cd\x0b]", "Final Answer: [ab\r", "Final Answer: [ab]\r\n", "**Final Answer: [ab]**",
    "Final Answer: no. Final Answer: [ab]", "Final Answer: [[ab], [cd]]", "x Final Answer: [ab, ab, , cd]",
    "the kitchen", "Mary is in the Kitchen. She was in the garden.", "kitchen or garden", "kitchen\ngarden", "<context> kitchen", "The  A-N answer: an apple, a pear!",
    "71432", "The pass key is 71432. Remember 5.", "no digits", "a1b2", "٣4", "1,234", "thean an_a a_ theé é the", "A\u0301n a\u0301 the\u00a0a", "Corresponding value: 1b4e28ba-2fa1-11d2",
    "1B4E28BA 2FA1 11D2", "apple apple apples apple", "'1b4e28ba-2fa1-11d2'", "$1b4e28ba+2fa1|11d2~", "apple apples apple apple",
]


def graders():
    out = []
    for a in ANSWERS:
        out.append({"grader": "final_strict", "answer": a, "list": final_answer(a, True)})
        out.append({"grader": "final_flexible", "answer": a, "list": final_answer(a, False)})
        out.append({"grader": "digits", "answer": a, "text": first_digits(a)})
        for reference in ["1b4e28ba-2fa1-11d2", "apple", "The Apple", "pear"]:
            out.append({"grader": "substring", "answer": a, "reference": reference, "number": float(normalize(reference) in normalize(a))})
        for target, others in ["kitchen", ["garden", "office"]], ["Kitchen", []]:
            out.append({"grader": "label", "answer": a, "reference": target, "others": others, "number": float(only_label(a, target, others))})
        out.append({"grader": "normalize", "answer": a, "text": normalize(a)})
    for seed in range(100):
        a, b = pair(1_000_000 + seed)
        number = 1 - distance(a, b) / max(len(a), len(b)) if a and b else 0.0
        if len(b) <= 2 * len(a) or number == 0:
            out.append({"grader": "similarity", "seed": 1_000_000 + seed, "number": number})
        out.append({"grader": "normalize", "seed": 1_000_000 + seed, "text": normalize(a)})
    for seed in range(60):
        a, b = pair(2_000_000 + seed)
        for word in ["tapir", "the", "a", "zebra"]:
            out.append({"grader": "place", "seed": 2_000_000 + seed, "reference": word, "number": same_place(a, b, word)})
        out.append({"grader": "f1", "seed": 2_000_000 + seed, "number": f1(a.split(), b.split())})
        for prefix in [b[:1], b[:7], "x"]:
            out.append({"grader": "prefixed", "seed": 2_000_000 + seed, "reference": prefix, "number": prefixed(b, a, prefix)})
    return out


if __name__ == "__main__":
    if sys.argv[1] == "difflib":
        for i in range(int(sys.argv[2])):
            print(matches(*pair(i)))
    else:
        print("[" + ",\n".join(json.dumps(g) for g in graders()) + "]")
