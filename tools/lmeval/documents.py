"""Writes the documents that record.py scores: generated questions and texts about invented things.

    python3 documents.py FOLDER
"""
import json
import pathlib
import random
import sys

NAMES = "Mira Tobin Anselm Petra Okoro Linnea Casimir Ivo Daphne Ruben Sanna Marek".split()
ANIMALS = [("dog", "barks"), ("cat", "meows"), ("cow", "gives milk"), ("bee", "makes honey"), ("hen", "lays eggs"), ("horse", "gallops")]
TOOLS = [("scissors", "cut paper"), ("a hammer", "drive in a nail"), ("a spoon", "eat soup"), ("a broom", "sweep the floor"), ("a key", "open a lock"), ("a needle", "sew a button")]
PLACES = ["in the kitchen", "at the market", "under the bridge", "behind the school", "on the roof", "near the lake"]
THINGS = ["a lamp", "an old clock", "two red apples", "a naïve drawing", "a café menu", "a box of nails", "seven books", "a letter from Zoë", "ein Fahrrad", "本"]


def choices(r, n):
    """Questions with labelled choices, as in ARC."""
    for i in range(n):
        pool, form = r.choice([(ANIMALS, "Which animal {}?"), (TOOLS, "What do people use to {}?")])
        picked = r.sample(pool, r.randint(2, 5))
        at = r.randrange(len(picked))
        labels = "ABCDE" if i % 3 else "12345"
        yield {"id": i, "question": form.format(picked[at][1]), "choices": {"text": [p[0] for p in picked], "label": list(labels[:len(picked)])}, "answerKey": labels[at]}


def pairs(r, n):
    """Goals with two solutions and an index, as in PIQA; texts of other scripts, spaces at ends."""
    for i in range(n):
        a, b = r.sample(THINGS, 2)
        name, place = r.choice(NAMES), r.choice(PLACES)
        goal = f"{name} left {a} {place} and took {b}. What did {name} take?" + r.choice(["", " ", "\n", "  "])
        yield {"goal": goal if i % 10 else "", "sol1": b if i % 2 else a, "sol2": a if i % 2 else b, "label": 1 - i % 2}


def numbers(r, n):
    """Sums whose answers follow the prompt without a space."""
    for i in range(n):
        a, b = r.randint(1, 60), r.randint(1, 60)
        wrong = [a + b + d for d in r.sample([-10, -2, -1, 1, 2, 10], 3)]
        options = [str(x) for x in wrong] + [str(a + b)]
        r.shuffle(options)
        yield {"sum": f"{a}+{b}=", "options": options, "gold": str(a + b), "same": [options[0], options[0]], "tie": i % 2}


def blanks(r, n):
    """Sentences with a blank, as in Winogrande."""
    for i in range(n):
        a, b = r.sample(NAMES, 2)
        thing, place = r.choice(THINGS), r.choice(PLACES)
        text, answer = r.choice([
            (f"{a} gave {thing} to {b} {place} because _ had asked for it.", 2), (f"{a} sold {thing} to {b}, so _ had money in the end.", 1),
            (f"{a} called {b} {place} because _ needed help.", 1), (f"_ thanked {b} after {b} had helped {a} {place}.", 1)])
        yield {"sentence": text, "option1": a, "option2": b, "answer": str(answer)}


def answers(r, n):
    """Questions with one or several written answers."""
    for i in range(n):
        name, place, thing = r.choice(NAMES), r.choice(PLACES), r.choice(THINGS[:6])
        other = r.choice(THINGS[:6])
        passage = f"{name} put {thing} {place}. The door was closed. {r.choice(NAMES)} bought {other}."
        words = thing.split()
        yield {"passage": passage, "question": f"What did {name} put {place}?", "answers": [thing, thing.capitalize() + ".", words[-1]], "answer": thing, "count": i % 7}


def texts(r, n):
    """Texts of 1 to about 300 words."""
    for i in range(n):
        sentences = []
        for _ in range(1 + i * i % 29):
            sentences.append(f"{r.choice(NAMES)} found {r.choice(THINGS)} {r.choice(PLACES)} in {r.randint(1900, 2026)}.")
        yield {"title": f"Part {i}", "page": {"text": r.choice([" ", "\n", "  "]).join(sentences) + ("\n" if i % 4 == 0 else "")}}


SETS = {"choices": (choices, 50), "pairs": (pairs, 50), "numbers": (numbers, 50), "blanks": (blanks, 50), "answers": (answers, 40), "texts": (texts, 24)}

if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    for name, (make, n) in SETS.items():
        with open(folder / f"{name}.jsonl", "w", newline="\n", encoding="utf-8") as f:
            for d in make(random.Random(f"{name} 1"), n):
                f.write(json.dumps(d, ensure_ascii=False) + "\n")
