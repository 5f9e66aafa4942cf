"""Records what lm-evaluation-harness computes for the documents of documents.py.

    pip install lm_eval==0.4.13 torch transformers gguf accelerate sentencepiece
    python3 record.py MODEL.gguf FOLDER OUT.json

MODEL.gguf is SmolLM2-135M-Instruct (tools/smollm2.sh); its weights are dequantised to float32.
FOLDER has the documents. Every task is given in the form of this project's suites and, where that
differs, in that of lm-evaluation-harness.
"""
import importlib.metadata
import json
import pathlib
import sys

import torch
import transformers
from lm_eval import evaluator
from lm_eval.api.task import ConfigurableTask
from lm_eval.filters.extraction import RegexFilter
from lm_eval.models.huggingface import HFLM
from lm_eval.api.metrics import exact_match_hf_evaluate
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

torch.set_num_threads(1)
path, folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager").eval()
tok = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
# transformers does not read the first half of the file's pre-tokenizer `smollm`.
tok.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])


def blank(doc):
    return doc["sentence"].index("_")


ARC = {"doc_to_text": "Question: {{question}}\nAnswer:", "doc_to_choice": "{{choices.text}}", "doc_to_target": "{{choices.label.index(answerKey)}}"}
ARC_OURS = {"doc_to_choice": "choices.text", "doc_to_target": "answerKey", "labels": "choices.label"}
PAIRS = {"doc_to_text": "Question: {{goal}}\nAnswer:", "doc_to_choice": "{{[sol1, sol2]}}", "doc_to_target": "label"}
PAIRS_OURS = {"doc_to_choice": ["{{sol1}}", "{{sol2}}"]}
ANSWER = {"output_type": "generate_until", "description": "Mira put a cup on the table.\nQuestion: What did Mira put on the table?\nAnswer: a cup\n\n", "doc_to_text": "{{passage}}\nQuestion: {{question}}\nAnswer:", "doc_to_target": "{{answer}}",
          "generation_kwargs": {"until": ["\n", "."], "max_gen_toks": 12}}
TRIM = [{"name": "trim", "filter": [{"function": "remove_whitespace"}, {"function": "take_first"}]}]
TEXT = {"output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{page.text}}"}
# name, file, limit of documents, max_length, lm-evaluation-harness's fields, ours where they differ
TASKS = [
    ("arc", "choices", None, None, ARC, ARC_OURS),
    ("arc_description", "choices", 8, None, {**ARC, "description": "Answer the questions.\n\n", "target_delimiter": "\n"}, ARC_OURS),
    ("arc_short", "choices", 8, 12, ARC, ARC_OURS),
    ("piqa", "pairs", None, None, PAIRS, PAIRS_OURS),
    ("field", "pairs", 10, None, {**PAIRS, "doc_to_text": "goal"}, PAIRS_OURS),
    ("sums", "numbers", 25, None, {"doc_to_text": "{{sum}}", "doc_to_choice": "options", "doc_to_target": "gold", "target_delimiter": ""}, {}),
    ("ties", "numbers", 4, None, {"doc_to_text": "{{sum}}", "doc_to_choice": "same", "doc_to_target": "{{tie}}"}, {}),
    ("winogrande", "blanks", None, None, {"doc_to_text": lambda d: int(d["answer"]) - 1, "doc_to_target": lambda d: d["sentence"][blank(d) + 1:].strip(),
                                    "doc_to_choice": lambda d: [d["sentence"][:blank(d)] + d[k] for k in ("option1", "option2")]},
     {"doc_to_text": "sentence", "blank": "_", "doc_to_choice": ["{option1}", "{option2}"], "doc_to_target": "answer", "labels": ["1", "2"]}),
    ("answers", "answers", 16, None, {**ANSWER, "filter_list": TRIM}, {}),
    ("answers_raw", "answers", 16, None, ANSWER, {}),
    ("answers_many", "answers", 16, None, {**ANSWER, "doc_to_target": "answers", "filter_list": TRIM, "metric_list": [
        {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True, "ignore_punctuation": True}]}, {}),
    ("answers_regex", "answers", 8, 40, {**ANSWER, "doc_to_target": "{{answer.split()[-1]}}", "filter_list": [{"name": "last", "filter": [
        {"function": "regex", "regex_pattern": r"(\w+)\W*$", "group_select": -1}, {"function": "take_first"}]}]}, {"doc_to_target": "answers.2"}),
    ("texts", "texts", 12, None, TEXT, {}),
    ("texts_windows", "texts", 5, 32, {**TEXT, "doc_to_target": "{{title}}\n{{page.text}}"}, {}),
]


class Model(HFLM):
    """HFLM that answers a prompt once."""

    known = {}

    def generate_until(self, requests, disable_tqdm=False):
        key = [(r.args[0], json.dumps(r.args[1], sort_keys=True), self.max_length) for r in requests]
        new = [i for i, k in enumerate(key) if k not in self.known]
        for i, a in zip(new, super().generate_until([requests[i] for i in new], disable_tqdm) if new else []):
            self.known[key[i]] = a
        return [self.known[k] for k in key]


def run(name, file, limit, length, theirs):
    config = {"task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(folder / f"{file}.jsonl")}}, "test_split": "test",
              "output_type": "multiple_choice", "num_fewshot": 0, "metadata": {"version": 1}, **theirs}
    kind = config["output_type"]
    if kind != "generate_until":
        config["metric_list"] = [{"metric": m} for m in {"multiple_choice": ["acc", "acc_norm", "acc_bytes"]}.get(kind, ["word_perplexity", "byte_perplexity", "bits_per_byte"])]
    elif "metric_list" not in config:
        config["metric_list"] = [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}]
    lm = Model(pretrained=model, tokenizer=tok, batch_size=1, max_length=length)
    r = evaluator.evaluate(lm=lm, task_dict={name: ConfigurableTask(config=config)}, limit=limit, log_samples=True, bootstrap_iters=0)
    metrics = {k.split(",")[0]: v for k, v in r["results"][name].items() if isinstance(v, float) and "stderr" not in k}
    documents = []
    for s in sorted(r["samples"][name], key=lambda s: s["doc_id"]):
        if kind == "multiple_choice":
            d = {"logprobs": [round(float(x[0][0]), 5) for x in s["resps"]], **{m: s[m] for m in ("acc", "acc_norm", "acc_bytes")}}
        elif kind == "generate_until":
            d = {"answer": s["resps"][0][0], "filtered": s["filtered_resps"][0], "exact_match": float(s["exact_match"])}
        else:
            ll, words = s["word_perplexity"]
            d = {"logprob": round(float(ll), 4), "words": words, "bytes": s["byte_perplexity"][1]}
        documents.append(d)
    print(name, metrics, flush=True)
    return metrics, documents


recorded = []
for name, file, limit, length, theirs, ours in TASKS:
    metrics, documents = run(name, file, limit, length, theirs)
    if name == "winogrande":
        metrics = {"acc": metrics["acc"]}
    block = {k: v for k, v in {**{k: v for k, v in theirs.items() if not callable(v)}, **ours}.items() if v is not None}
    block.update({k: v for k, v in (("limit", limit), ("max_length", length)) if v})
    recorded.append({"name": name, "file": f"{file}.jsonl", "block": block, "metrics": metrics, "documents": documents})

# Filters and comparisons without a model.
filters = []
for pattern, group, fallback, text in [
    (r"#### (\-?[0-9\.\,]+)", 0, "[invalid]", "so 3\n#### -1,234.5 and #### 7"), (r"#### (\-?[0-9\.\,]+)", 1, "[invalid]", "#### 1 #### 7"),
    (r"(-?[$0-9.,]{2,})|(-?[0-9]+)", -1, "[invalid]", "it is $1,200 or 5"), (r"(-?[$0-9.,]{2,})|(-?[0-9]+)", -1, "[invalid]", "none"),
    (r"\((A|B|C|D)\)", 0, "none", "(C) because (D)"), (r"\b[A-D]\b", -1, "?", "A, B; not Ada"), (r"(?i)answer is:?\s*(\S+)", 0, "", "The ANSWER is:\u00a0 x1 ."),
    (r"(x*)(y*)", 0, "f", "ab"), (r"\d+", 0, "f", "a ٣٤ b"), (r"[\d\s]+$", 0, "f", "x 12 \n 3 "), (r"[\D]+", 0, "f", "42 ٣ naïve"), (r"[]a]+", 0, "f", "b]a]"),
]:
    filters.append({"pattern": pattern, "group": group, "fallback": fallback, "text": text, "want": list(RegexFilter(pattern, group, fallback).apply([[text]], [{}]))[0][0]})
matches = []
for a, b, o in [
    ("Rome", "rome", {}), ("Rome", "rome", {"ignore_case": True}), ("Rome.", "Rome", {"ignore_punctuation": True}), (" Rome", "Rome", {}), ("a1b2", "ab", {"ignore_numbers": True}),
    ("$1,200.", "1200", {"regexes_to_ignore": [",", r"\$", r"\.$"]}), ("ÄB", "äb", {"ignore_case": True}), ("a—b", "ab", {"ignore_punctuation": True}), ("x\t y", "x y", {"regexes_to_ignore": [r"\s+"]}),
]:
    matches.append({"answer": a, "target": b, "options": o, "want": bool(exact_match_hf_evaluate([a], [b], **o)["exact_match"])})

versions = {p: importlib.metadata.version(p) for p in ("lm_eval", "torch", "transformers")}
pathlib.Path(out).write_text(json.dumps({"by": versions, "model": path.name, "tasks": recorded, "filters": filters, "matches": matches}, ensure_ascii=False, indent=None, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n", encoding="utf-8")
