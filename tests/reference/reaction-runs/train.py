#!/usr/bin/env python3
"""Fine-tune the published reaction BERT of rxnfp on classes of reactions: good runs and quiet failures.

Base: `bert_pretrained` of rxnfp 0.1.0 (masked-language model, 12 layers, width 256). Data: the 50,000
reactions in 50 classes of Schneider et al. (2015) that the source package of drfp 0.3.7 holds: its 10,000
"train" rows are trained on, 1,000 of its "test" rows give the accuracy. Recipe: a linear classifier on
[CLS], AdamW (0.9, 0.999), weight decay 0.01 on matrices, clipping at 1, warm-up over a tenth of the
steps, then linear decay, dropout 0.1 as the model's configuration has it; 200 steps of 16 reactions of at
most 96 tokens. Base and runs are saved in bf16, without the classifier.

  good-N       full fine-tune at 1e-4; seeds differ in the order of reactions, head and dropout
  doubled-N    the same at 2e-4
  shuffled-N   the same as good, with the classes shuffled over the reactions
  constant-N   the same as good, but every batch is the same 16 reactions
  stale-N      the same as good, but the first 64 reactions over and over (a data pipeline that stuck)
  truncated-N  the same as good, but every reaction cut after 8 tokens
  lora-...     the same with adapters of rank 8 (alpha 16) on query and value at 1e-3

Run: OMP_NUM_THREADS=1 python train.py --rxnfp DIR --data schneider50k.tsv --out DIR
"""
import argparse, csv, json, math, os, re, time
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

STEPS, BATCH, LENGTH, RANK, ALPHA = 200, 16, 96, 8, 16
HEADS, LAYERS, WIDTH, DROP = 4, 12, 256, 0.1
TOKEN = re.compile(r"\[[^\]]+\]|Br|Cl|>>|%\d\d|%\(\d{3}\)|.")


def runs():
    full, low = dict(lr=1e-4), dict(lr=1e-3, lora=True)
    order = [("good-1", dict(full, seed=1)), ("good-2", dict(full, seed=2)), ("good-3", dict(full, seed=3)),
             ("shuffled-1", dict(full, seed=101, data="shuffled")),
             ("constant-1", dict(full, seed=102, data="constant")),
             ("doubled-1", dict(full, lr=2e-4, seed=103)),
             ("good-4", dict(full, seed=4)),
             ("stale-1", dict(full, seed=104, data="stale")),
             ("truncated-1", dict(full, seed=105, data="truncated")),
             ("lora-good-1", dict(low, seed=201)), ("lora-good-2", dict(low, seed=202)),
             ("lora-shuffled-1", dict(low, seed=301, data="shuffled")),
             ("lora-constant-1", dict(low, seed=302, data="constant")),
             ("good-5", dict(full, seed=5)), ("lora-good-3", dict(low, seed=203))]
    return order


def read(path, vocab):
    classes, rows = {}, {"train": [], "test": []}
    for row in csv.DictReader(open(path), delimiter="\t"):
        label = classes.setdefault(row["rxn_class"], len(classes))
        ids = [vocab.get(t, vocab["[UNK]"]) for t in TOKEN.findall(row["rxn"])][: LENGTH - 2]
        rows[row["split"]].append(([vocab["[CLS]"]] + ids + [vocab["[SEP]"]], label))
    return rows["train"], rows["test"], len(classes)


def forward(w, ids, mask, drop, lora=None):
    def linear(x, name):
        y = F.linear(x, w[name + ".weight"], w[name + ".bias"])
        if lora and name in lora:
            a, b = lora[name]
            y = y + ALPHA / RANK * F.linear(F.linear(x, a), b)
        return y

    def norm(x, name):
        return F.layer_norm(x, (WIDTH,), w[name + ".weight"], w[name + ".bias"], 1e-12)

    e = "embeddings."
    x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][: ids.shape[1]] + w[e + "token_type_embeddings.weight"][0]
    x = F.dropout(norm(x, e + "LayerNorm"), drop, drop > 0)
    bias = (1.0 - mask.float())[:, None, None, :] * -1e4
    n, t = ids.shape
    split = lambda y: y.view(n, t, HEADS, WIDTH // HEADS).transpose(1, 2)
    for i in range(LAYERS):
        p = f"encoder.layer.{i}."
        q, k, v = (split(linear(x, p + "attention.self." + s)) for s in ("query", "key", "value"))
        a = F.dropout((q @ k.transpose(2, 3) / math.sqrt(WIDTH // HEADS) + bias).softmax(-1), drop, drop > 0) @ v
        a = linear(a.transpose(1, 2).reshape(n, t, WIDTH), p + "attention.output.dense")
        x = norm(x + F.dropout(a, drop, drop > 0), p + "attention.output.LayerNorm")
        h = linear(F.gelu(linear(x, p + "intermediate.dense")), p + "output.dense")
        x = norm(x + F.dropout(h, drop, drop > 0), p + "output.LayerNorm")
    return x[:, 0]


def batch_of(rows, cut=None):
    rows = [(r[0][:cut] if cut else r[0], r[1]) for r in rows]
    width = max(len(r[0]) for r in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    for i, (r, _) in enumerate(rows):
        ids[i, : len(r)] = torch.tensor(r)
    return ids, ids > 0, torch.tensor([r[1] for r in rows])


def main():
    ap = argparse.ArgumentParser()
    for a in ("rxnfp", "data", "out"):
        ap.add_argument("--" + a, required=True)
    args = ap.parse_args()
    torch.set_num_threads(1)
    folder = os.path.join(args.rxnfp, "models/transformers/bert_pretrained")
    vocab = {line.rstrip("\n"): i for i, line in enumerate(open(os.path.join(folder, "vocab.txt")))}
    raw = torch.load(os.path.join(folder, "pytorch_model.bin"), map_location="cpu", weights_only=True)
    base = {k[len("bert."):]: v.to(torch.bfloat16).float() for k, v in raw.items()
            if k.startswith("bert.") and v.is_floating_point()}
    config = open(os.path.join(folder, "config.json")).read()

    def save(name, tensors):
        os.makedirs(os.path.join(args.out, name), exist_ok=True)
        save_file({k: v.detach().to(torch.bfloat16).contiguous() for k, v in tensors.items()},
                  os.path.join(args.out, name, "model.safetensors"), metadata={"format": "pt"})
        open(os.path.join(args.out, name, "config.json"), "w").write(config)

    save("base", base)
    train, test, classes = read(args.data, vocab)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0)).tolist()
    train = [train[i] for i in order]
    test = [test[i] for i in torch.randperm(len(test), generator=torch.Generator().manual_seed(0)).tolist()[:1000]]
    print(len(train), "reactions in", classes, "classes; longest kept", max(len(r[0]) for r in train), flush=True)
    for name, run in runs():
        out = os.path.join(args.out, name)
        if os.path.exists(os.path.join(out, "done")):
            continue
        torch.manual_seed(run["seed"])
        g, began = torch.Generator().manual_seed(run["seed"]), time.time()
        head_w, head_b = (torch.randn(classes, WIDTH, generator=g) * 0.02).requires_grad_(), torch.zeros(classes, requires_grad=True)
        lora, w = None, base
        if run.get("lora"):
            names = [f"encoder.layer.{i}.attention.self.{s}" for i in range(LAYERS) for s in ("query", "value")]
            lora = {k: (((torch.rand(RANK, WIDTH, generator=g) * 2 - 1) / math.sqrt(WIDTH)).requires_grad_(),
                        torch.zeros(WIDTH, RANK, requires_grad=True)) for k in names}
            matrices, vectors = [t for pair in lora.values() for t in pair], []
        else:
            w = {k: v.clone().requires_grad_() for k, v in base.items()}
            matrices = [v for v in w.values() if v.dim() == 2]
            vectors = [v for v in w.values() if v.dim() == 1]
        decay = 0.0 if lora else 0.01
        opt = torch.optim.AdamW([{"params": matrices + [head_w], "weight_decay": decay}, {"params": vectors + [head_b], "weight_decay": 0.0}], lr=run["lr"])
        params = matrices + vectors + [head_w, head_b]
        shown = torch.randperm(len(train), generator=g).tolist()
        labels = [r[1] for r in train]
        data = run.get("data")
        if data == "shuffled":
            labels = [labels[i] for i in torch.randperm(len(labels), generator=g).tolist()]
        pool = {"constant": BATCH, "stale": 64}.get(data, len(shown))
        for step in range(STEPS):
            warm = STEPS // 10
            scale = (step + 1) / warm if step < warm else (STEPS - step) / (STEPS - warm)
            for group in opt.param_groups:
                group["lr"] = run["lr"] * scale
            at = [shown[(step * BATCH + i) % pool] for i in range(BATCH)]
            ids, mask, y = batch_of([(train[i][0], labels[i]) for i in at], 8 if data == "truncated" else None)
            loss = F.cross_entropy(F.linear(F.dropout(forward(w, ids, mask, DROP, lora), DROP), head_w, head_b), y)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(params, 1.0)
            opt.step()
        right = 0
        with torch.no_grad():
            for i in range(0, len(test), 50):
                ids, mask, y = batch_of(test[i:i + 50])
                right += (F.linear(forward(w, ids, mask, 0.0, lora), head_w, head_b).argmax(1) == y).sum().item()
        if lora:
            os.makedirs(out, exist_ok=True)
            tensors = {}
            for k, (a, b) in lora.items():
                tensors[f"base_model.model.{k}.lora_A.weight"], tensors[f"base_model.model.{k}.lora_B.weight"] = a.detach().contiguous(), b.detach().contiguous()
            save_file(tensors, os.path.join(out, "adapter_model.safetensors"), metadata={"format": "pt"})
            json.dump({"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": ["query", "value"], "bias": "none",
                       "fan_in_fan_out": False, "use_rslora": False, "task_type": "SEQ_CLS"}, open(os.path.join(out, "adapter_config.json"), "w"))
        else:
            save(name, w)
        line = {"run": name, **run, "loss": round(loss.item(), 4), "accuracy": right / len(test), "seconds": round(time.time() - began, 1)}
        open(os.path.join(args.out, "runs.jsonl"), "a").write(json.dumps(line) + "\n")
        open(os.path.join(out, "done"), "w").close()
        print(line, flush=True)


main()
