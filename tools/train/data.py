"""Training text and needle tasks.

`python tools/train/data.py` gathers the text of this machine into tools/train/data (ignored by git):
  go       the Go standard library, without testdata
  english  public-domain English: the King James Bible, the Jargon File, The Devil's Dictionary (Debian packages
           bible-kjv, dict-jargon, dict-devil), as far as installed
  prose    generated prose of tools/train/mkprose
each as NAME.train.bin and NAME.heldout.bin, the held-out English also as english.heldout/*.txt for card.yaml. The 32-bit
FNV-1a hash of a name decides whether a text is held out (see heldout).
"""
import functools
import json
import os
import random
import re
import shutil
import subprocess

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "data")
PROSE_TRAIN, PROSE_HELDOUT = (1, 48 << 20), (1_000_003, 2 << 20)  # (seed, bytes)
TEMPLATES = json.load(open(os.path.join(HERE, "../../needle/templates.json")))["templates"]
TRAIN_TEMPLATES = [t for t in TEMPLATES if t["train"]]
MIX = {"go": 0.5, "english": 0.15, "prose": 0.35}
DENSE = 0.5  # share of the sequences with facts whose text is thinned to parts with numbers


def fnv1a(text):
    h = 0x811C9DC5
    for b in text.encode():
        h = (h ^ b) * 0x01000193 & 0xFFFFFFFF
    return h


def heldout(name):
    """Whether text is held out. name is a Go package's directory below GOROOT/src ("net/http"), or a book's
    name."""
    return fnv1a(name) % 10 == 0


def key_heldout(key):
    return fnv1a(key) % 8 == 0


# ---- gathering ----------------------------------------------------------------------------------------------------


def go_files():
    root = os.path.join(subprocess.check_output(["go", "env", "GOROOT"], text=True).strip(), "src")
    for folder, subs, files in os.walk(root):
        subs[:] = sorted(s for s in subs if s != "testdata")
        package = os.path.relpath(folder, root).replace(os.sep, "/")
        for f in sorted(files):
            if f.endswith(".go"):
                yield heldout(package), open(os.path.join(folder, f), "rb").read()


def english_books():
    def dictionary(name):
        text = subprocess.check_output(["dictzip", "-dc", f"/usr/share/dictd/{name}.dict.dz"]).decode("utf-8", "replace")
        return re.sub(r"[ \t]+", " ", text.replace("{", "").replace("}", ""))

    # A dictionary is cut into parts of 64 KiB, so that some of each is held out.
    for name in ("jargon", "devil"):
        if os.path.exists(f"/usr/share/dictd/{name}.dict.dz"):
            text = dictionary(name)
            for i in range(0, len(text), 1 << 16):
                yield heldout(f"{name}/{i >> 16}"), text[i:i + (1 << 16)].encode()
    try:
        bible = subprocess.run(["bible", "-f", "gen1:1-rev22:21"], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        return
    books = {}
    for line in bible.splitlines():
        match = re.match(r"(\S+?)\d+:\d+ (.*)", line)
        if match:
            books.setdefault(match[1], []).append(match[2])
    for name, verses in books.items():
        yield heldout(name), "\n".join(" ".join(verses[i:i + 6]) for i in range(0, len(verses), 6)).encode() + b"\n"


def gather():
    os.makedirs(DATA, exist_ok=True)
    for name, parts in (("go", go_files()), ("english", english_books())):
        split = {False: [], True: []}
        for out, text in parts:
            split[out].append(text)
        for out, texts in split.items():
            write(name, out, texts)
        if name == "english":
            folder = os.path.join(DATA, "english.heldout")
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
            for i, text in enumerate(split[True]):
                with open(os.path.join(folder, f"{i:02}.txt"), "wb") as f:
                    f.write(text)
    for out, (seed, size) in ((False, PROSE_TRAIN), (True, PROSE_HELDOUT)):
        path = bin_path("prose", out)
        subprocess.check_call(["go", "run", "./tools/train/mkprose", "-seed", str(seed), "-bytes", str(size), "-o", path], cwd=os.path.join(HERE, "../.."))
        write("prose", out, [open(path, "rb").read()])
    subprocess.check_call(["go", "run", "./tools/train/mkprose", "-keys", "200000", "-shape", "mixed", "-o", os.path.join(DATA, "keys.train.txt")],
                          cwd=os.path.join(HERE, "../.."))


def bin_path(name, out):
    return os.path.join(DATA, f"{name}.{'heldout' if out else 'train'}.bin")


def write(name, out, texts):
    """Writes the texts one after another, and the end of each (when sampling, 64 KiB of a file is its maximum
    weight)."""
    with open(bin_path(name, out), "wb") as f:
        f.write(b"".join(texts))
    np.save(bin_path(name, out) + ".ends.npy", np.cumsum([len(t) for t in texts], dtype=np.int64))
    print(f"{bin_path(name, out)}: {len(texts)} texts, {sum(map(len, texts)):,} bytes")


class Text:
    def __init__(self, name, out):
        self.bytes = open(bin_path(name, out), "rb").read()
        ends = np.load(bin_path(name, out) + ".ends.npy")
        self.starts = np.concatenate(([0], ends[:-1]))
        self.sizes = ends - self.starts
        self.cumulative = np.cumsum(np.minimum(self.sizes, 1 << 16) if len(ends) > 1 else self.sizes)

    def window(self, rng, n):
        """n bytes from the start of a line, continued in the next text if one is too short."""
        i = int(np.searchsorted(self.cumulative, rng.randrange(int(self.cumulative[-1])), "right"))
        at = int(self.starts[i]) + rng.randrange(max(1, int(self.sizes[i])))
        at = min(at, len(self.bytes) - n - 1)
        line = self.bytes.find(b"\n", at, at + 200) + 1
        at = min(line or at, len(self.bytes) - n)
        return self.bytes[at:at + n]

    def dense(self, rng, n):
        """n bytes of a stretch sixteen times as long: all of its pieces that contain a digit and a share of
        the others. A piece ends at a line end or a full stop, even within a word. So a short text has as
        many places that look like a fact as a long one."""
        out, keep = bytearray(), rng.random() / 2
        for piece in re.findall(rb"[^.\n]*[.\n]\s*", self.window(rng, 16 * n)):
            if rng.random() < keep or re.search(rb"[0-9]", piece):
                out += piece
            if len(out) >= n:
                return bytes(out[:n])
        return bytes(out) + self.window(rng, n - len(out))


def texts(out):
    return {name: Text(name, out) for name in MIX if os.path.exists(bin_path(name, out))}


# ---- keys, values, wordings ---------------------------------------------------------------------------------------

ONSETS = "b c d f g h j k l m n p r s t v w z br ch cl dr fl gr kr pl pr sh sk sl st th tr qu".split()
VOWELS = "a e i o u a e i o ai ea ou io".split()
CODAS = ["", "", "", "", "n", "r", "l", "s", "m", "t", "nd", "rk", "x", "st"]


def syllable(r):
    return r.choice(ONSETS) + r.choice(VOWELS) + r.choice(CODAS)


def word(r, low=5, high=10):
    while True:
        w = "".join(syllable(r) for _ in range(r.randint(2, 4)))
        if low <= len(w) <= high:
            return w


def any_key(r):
    shape = r.random()
    if shape < 0.35:
        return word(r)
    if shape < 0.50:
        return word(r, 4, 7) + " " + word(r, 4, 7)
    if shape < 0.58:
        return word(r, 3, 7) + "-" + word(r, 3, 7)
    if shape < 0.72:
        return word(r).capitalize()
    if shape < 0.86:
        k = word(r, 3, 7).capitalize() + word(r, 3, 7).capitalize()
        return k if r.random() < 0.6 else k[0].lower() + k[1:]
    if shape < 0.95:
        return word(r, 3, 6) + str(r.randrange(10 ** r.randint(1, 3)))
    return "".join(r.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(r.randint(5, 8)))


def go_keys():
    """Training keys of the Go program, in the shapes that its tasks use."""
    path = os.path.join(DATA, "keys.train.txt")
    return open(path).read().split("\n")[:-1] if os.path.exists(path) else []


GO_KEYS = go_keys()


def new_key(r, out, taken=()):
    while True:
        k = r.choice(GO_KEYS) if GO_KEYS and not out and r.random() < 0.5 else any_key(r)
        if key_heldout(k) == out and k not in taken:
            return k


def near_key(r, key, taken):
    """A key that differs from another in one place: the hardest distractor."""
    for _ in range(20):
        i = r.randrange(len(key))
        k = key[:i] + r.choice("abdegiklmnoprstuvz") + key[i + 1:] if key[i].isalpha() else key
        if k not in taken and not key_heldout(k):
            return k
    return new_key(r, False, taken)


def new_value(r):
    n = 6 if r.random() < 0.8 else r.choice((4, 5, 7, 8))
    return str(r.randrange(10 ** (n - 1), 10 ** n))


# Wordings generated from parts, so that the model cannot memorise them. None is one of the held-out templates, but some share
# words with them ("that belongs to", "sent").
ADJECTIVES = "secret old new private final first current official lucky inner main lost hidden usual".split()
NOUNS = ("number code pin key id count amount price year total score rank port size weight offset index limit serial phone room "
         "address balance level token stamp mark record signal distance page track frequency width depth speed date sum answer").split()
VERBS = "has got uses needs keeps holds received chose wrote sent lost knows carries wants reached".split()
FACTS = ["The {n} of {key} is {value}.", "The {n} for {key} is {value}.", "{key} {v} the {n} {value}.", "{key} {v} {n} {value}.", "{key} = {value}",
         "{key} -> {value}", "For {key} the {n} is {value}.", "{N} of {key}: {value}", "{N} {key}: {value}", "# {n} {key} {value}", "set {key} {value}",
         "The {n} that belongs to {key} {v} {value}.", "We know that {key} {v} the {n} {value}.", "{key}.{n} = {value}", "var {key} int = {value}",
         "If you look for {key}, take {n} {value}.", "They gave {key} the {n} {value}.", "{key} is at {value}.", "{key}, {n} {value}.", "\"{key}\": {value},"]
ASKS = ["What is the {n} of {key}? It is ", "The {n} of {key} is ", "{N} of {key}: ", "Q: {key}?\nA: ", "Tell me the {n} of {key}: ", "{key}: ",
        "Which {n} {v} {key}? The {n} ", "The {n} that {key} {v} is ", "So {key} {v} the {n} ", "For {key}, the {n} was "]


VOCABULARY = []


def vocabulary():
    """The distinct words of the training texts' beginnings, for wordings made of any words."""
    if not VOCABULARY:
        found = set()
        for text in texts(False).values():
            found |= set(re.findall(rb"\b[A-Za-z]{2,12}\b", text.bytes[:4 << 20]))
        VOCABULARY.extend(w.decode() for w in sorted(found))
    return VOCABULARY


def free_template(r, some, link):
    """A wording made of the words that some(low, high) returns: only the key and the words next to it
    identify the value. link comes before the value. One in four has the value before the key."""
    before, between = some(0, 4), some(0, 4)
    if not before + between:
        between = some(1, 1)
    end = r.choice((".", ".", ".", ""))
    about = before + between
    r.shuffle(about)
    about = " ".join(about[:r.randint(1, 4)])
    question = r.choice(("Which {} {{key}}? ", "What {} {{key}}? It is ", "{} {{key}}: ", "Q: {} {{key}}\nA: ", "The {} of {{key}}: ", "For {{key}} {} ")).format(about)
    if r.random() < 0.25:
        fact = " ".join(before + ["{value}"] + between + ["{key}"]) + end
        ask = question
    else:
        fact = " ".join(before + ["{key}"] + between) + link + " {value}" + end
        ask = fact[:fact.index("{value}")] if r.random() < 0.6 else question
    if r.random() < 0.7:  # a sentence begins with a capital, unless it begins with the key
        fact, ask = (t if t.startswith("{") else t[0].upper() + t[1:] for t in (fact, ask))
    return {"fact": fact, "ask": ask, "askAll": "All of {key}: "}


def random_words(r):
    some = lambda low, high: [r.choice(vocabulary()) for _ in range(r.randint(low, high))]
    return free_template(r, some, r.choice(("", "", "", ":", " =", ",", " ->")))


@functools.lru_cache(maxsize=1)
def before_numbers(text):
    """The phrases of a text that precede a number; cached, because one text is used many times."""
    return re.findall(rb"(?:[A-Za-z]{2,12} ){1,3}(?=[0-9]{2})", text)


def words_around(r, text):
    """A wording made of phrases of the surrounding text; the phrase before the value is one that a number
    follows in the text, if there is one. So the text has places that look like the fact, and only the key
    distinguishes them."""
    def some(low, high):
        at = r.randrange(max(1, len(text) - 100))
        words = re.findall(rb"\b[A-Za-z]{2,12}\b", text[at:at + 100])[1:]
        return [w.decode() for w in words[:r.randint(low, high)]]

    phrases = before_numbers(text)
    link = " " + r.choice(phrases).decode().rstrip() if phrases and r.random() < 0.7 else ""
    return free_template(r, lambda low, high: some(low, min(high, 3)) or ["is"] * low, link)


def made_template(r, text):
    kind = r.random()
    if kind < 0.3:
        return words_around(r, text)
    if kind < 0.65:
        return random_words(r)
    n = r.choice(NOUNS)
    words = {"n": n if r.random() < 0.5 else r.choice(ADJECTIVES) + " " + n, "v": r.choice(VERBS)}
    words["N"] = words["n"].capitalize()
    fact = r.choice(FACTS)
    ask = fact[:fact.index("{value}")] if r.random() < 0.4 else r.choice(ASKS)
    fill = lambda t: re.sub(r"\{([nvN])\}", lambda m: words[m[1]], t)
    return {"fact": fill(fact), "ask": fill(ask), "askAll": fill("All of {key}: ")}


# ---- sequences ----------------------------------------------------------------------------------------------------


def place(background, facts, r):
    """Puts facts, in their order, at random places of the background, where the Go program puts them: after a
    sentence as the next one, or on a line of its own. Each takes one byte more than its length. Returns
    the text and the ranges of the facts' bytes."""
    cuts = sorted(r.randrange(len(background) + 1) for _ in facts)
    return insert(background, facts, cuts)


def insert(background, facts, cuts):
    """Puts each fact at the first end of a sentence or a line from its cut on. Returns the text and the
    ranges of the facts' bytes."""
    out, at, spans = bytearray(), 0, []
    for cut, fact in zip(cuts, facts):
        cut = max(at, cut)
        line, sentence = background.find(b"\n", cut, cut + 400), background.find(b". ", cut, cut + 400)
        if cut == 0:
            stated, end = fact + b"\n", 0
        elif sentence >= 0 and (line < 0 or sentence < line):
            stated, end = b" " + fact, sentence + 1
        else:
            stated, end = b"\n" + fact, line if line >= 0 else len(background)
        out += background[at:end] + stated
        spans.append((len(out) - len(stated), len(out)))
        at = end
    return bytes(out) + background[at:], spans


class Sampler:
    """Training sequences of one seed: a stretch of text with facts in it, and questions at its end."""

    def __init__(self, seed, made=0.7):
        self.r, self.texts, self.made = random.Random(seed), texts(False), made
        self.names = list(self.texts)
        self.weights = [MIX[n] for n in self.names]

    def questions(self, size, text):
        """Facts for the text, which of them are not background (they are asked for, or their key is similar
        to another's), and the questions; together at most about 0.7 of the sequence."""
        r = self.r
        budget, facts, asks, keys = 0.7 * size, [], [], set()
        wanted = r.randint(1, max(4, min(24, size // 64)))
        limit = r.randint(1, max(4, min(16, size // 96)))
        shared = self.template(text) if r.random() < 0.5 else None  # one wording for all: only the keys distinguish the facts
        while len(facts) < wanted and budget > 0:
            template = shared or self.template(text)
            near = bool(keys) and r.random() < 0.1
            key = near_key(r, r.choice(sorted(keys)), keys) if near else new_key(r, False, keys)
            keys.add(key)
            asked = len(asks) < limit
            many = r.randint(2, 4) if r.random() < 0.2 and size > 256 else 1
            values = [new_value(r) for _ in range(many)]
            if not asked and r.random() < 0.25:  # words follow instead of a value, as in most texts
                values = [" ".join(r.choice(vocabulary()) for _ in range(r.randint(1, 3))) for _ in values]
            stated = [template["fact"].format(key=key, value=v) for v in values]
            ask = (template["askAll"] if many > 1 else template["ask"]).format(key=key)
            cost = sum(map(len, stated)) + 2 * many
            if asked:
                cost += len(ask) + 9 * many
            if cost > budget and facts:
                break
            budget -= cost
            facts.append((stated, key, values[0], asked or near))
            if asked:
                asks.append((ask, ", ".join(values), stated[0].endswith(".")))
        r.shuffle(asks)
        flat = [(t, i) for i, (stated, *_) in enumerate(facts) for t in stated]
        # The facts are in any order, but the values of one key are in the order in which they are asked for.
        order = list(range(len(flat)))
        r.shuffle(order)
        slots = {}
        for place_, j in enumerate(order):
            slots.setdefault(flat[j][1], []).append(place_)
        arranged, apart = [None] * len(flat), [False] * len(flat)
        for i, (stated, _, _, mark) in enumerate(facts):
            for p, t in zip(sorted(slots[i]), stated):
                arranged[p], apart[p] = t.encode(), mark
        # Several keys in one question: their values in the order of the text.
        single = sorted((slots[i][0], i) for i, (stated, _, value, mark) in enumerate(facts) if len(stated) == 1 and mark and value.isdigit())
        if shared and len(single) > 1 and r.random() < 0.3:
            chosen = sorted(r.sample(single, r.randint(2, min(4, len(single)))))
            ask = shared["askAll"].format(key=", ".join(facts[i][1] for _, i in chosen))
            asks = [(ask, ", ".join(facts[i][2] for _, i in chosen), facts[chosen[0][1]][0][0].endswith("."))]
        return arranged, apart, asks

    def template(self, text):
        r = self.r
        if r.random() < self.made:
            return made_template(r, text)
        return TRAIN_TEMPLATES[0] if r.random() < 0.35 else r.choice(TRAIN_TEMPLATES)

    def repeated(self, text, size):
        """size bytes of text in which one stretch, an eighth to a half of the text, is repeated later; and
        the ranges of both."""
        r = self.r
        n = int(size / 2 ** r.uniform(1, 3))
        seq = bytearray(text.window(r, size))
        first = r.randrange(size - 2 * n + 1)
        again = r.randrange(first + n, size - n + 1)
        seq[again:again + n] = seq[first:first + n]
        return bytes(seq), [(first, first + n), (again, again + n)]

    def sequence(self, size, repeats):
        """size bytes, a mask of the answers, and a mask of what is not background: facts that are asked for
        or have a similar key, questions, answers and repeated stretches. repeats is the share of the
        sequences that have a repeated stretch instead of facts and questions."""
        r = self.r
        text = self.texts[r.choices(self.names, self.weights)[0]]
        answers, special = np.zeros(size, bool), np.zeros(size, bool)
        if r.random() < repeats:
            seq, spans = self.repeated(text, size)
        else:
            background = text.dense(r, size) if r.random() < DENSE else text.window(r, size)
            facts, apart, asks = self.questions(size, background)
            tail, marks = b"\n\n", []
            for ask, answer, sentence in asks:
                tail += ask.encode()
                end = b"." if sentence and r.random() < 0.5 else b""
                marks.append((len(tail), len(tail) + len(answer) + 1))
                tail += answer.encode() + end + b"\n"
            length = size - len(tail) - sum(len(f) + 1 for f in facts)
            if length < 0:
                return self.sequence(size, repeats)
            seq, spans = place(background[:length], facts, r)
            seq += tail
            spans = [span for span, mark in zip(spans, apart) if mark] + [(size - len(tail), size)]
            for a, b in marks:
                answers[size - len(tail) + a:size - len(tail) + b] = True
        for a, b in spans:
            special[a:b] = True
        return np.frombuffer(seq, np.uint8), answers, special

    def batch(self, n, size, repeats):
        ids, answers, special = (np.stack(part) for part in zip(*(self.sequence(size, repeats) for _ in range(n))))
        return ids.astype(np.int64), answers, special


def needle_case(r, text, size, depth, template, distractors=0, values=1, queries=1, together=False):
    """A test case of about `size` bytes: [(prompt so far, answer)], one pair per question; held-out keys only.
    depth in 0..1 places the single needle; several facts are spread at random. together: one question asks for all keys."""
    keys = []
    for _ in range(queries + distractors):
        keys.append(new_key(r, True, keys))
    stated = [(k, new_value6(r)) for k in keys for _ in range(values if k in keys[:queries] else 1)]
    r.shuffle(stated)
    facts = [template["fact"].format(key=k, value=v).encode() for k, v in stated]
    if together:
        asked = [(k, v) for k, v in stated if k in keys[:queries]]
        asks = [(template["askAll"].format(key=", ".join(k for k, _ in asked)).encode(), ", ".join(v for _, v in asked).encode())]
    else:
        asks = [((template["askAll"] if values > 1 else template["ask"]).format(key=k).encode(), ", ".join(v for q, v in stated if q == k).encode()) for k in keys[:queries]]
    tail = sum(len(a) + len(b) + 2 for a, b in asks) + 2
    background = text.window(r, max(8, size - tail - sum(len(f) + 1 for f in facts)))
    body, _ = insert(background, facts, [int(depth * len(background))]) if len(facts) == 1 else place(background, facts, r)
    prompt, out = body + b"\n\n", []
    for ask, answer in asks:
        prompt += ask
        out.append((prompt, answer))
        prompt += answer + (b"." if template["fact"].endswith(".") else b"") + b"\n"
    return out


def new_value6(r):
    return str(r.randrange(100000, 1000000))


if __name__ == "__main__":
    gather()
