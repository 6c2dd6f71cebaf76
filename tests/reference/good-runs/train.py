#!/usr/bin/env python3
"""Train the runs of docs/calibration.md: fine-tunes of the demo's base model.

The base is tests/fixtures/demo/base, the text is that of tests/fixtures/demo/train.py (standard
library docstrings), which this script imports. Each run has a seed of its own for the order of the
text (and the adapter's first values). 300 steps of 16 sequences of 128 bytes, AdamW, warm-up of 30
steps, cosine decay to a tenth.

  good-N       full fine-tune, learning rate 7e-5
  doubled-N    the same at 1.4e-4
  constant-N   the same as good, but every sequence is one and the same text
  shuffled-N   the same as good, but the targets of each batch are shuffled
  lora-...     the same four with adapters of rank 8 on q and v, 120 steps of 8 sequences,
               learning rate 2e-3 and 4e-3

Run: OMP_NUM_THREADS=1 python train_runs.py --demo DIR --base DIR --lists DIR --out DIR
"""
import argparse, importlib.util, json, math, os, time
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

STEPS, BATCH, WARMUP, FINAL, RANK, ALPHA = 300, 16, 30, 0.1, 8, 16

def runs():
    order = []
    full, quick = dict(lr=7e-5), dict(lr=2e-3, lora=True, steps=120, batch=8)
    for n in range(1, 4): order.append((f"good-{n}", dict(full, seed=n)))
    order += [("constant-1", dict(full, seed=101, data="constant")),
              ("shuffled-1", dict(full, seed=102, data="shuffled")),
              ("doubled-1", dict(full, lr=1.4e-4, seed=103))]
    for n in range(4, 7): order.append((f"good-{n}", dict(full, seed=n)))
    for n in range(1, 4): order.append((f"lora-good-{n}", dict(quick, seed=200 + n)))
    order += [("lora-constant-1", dict(quick, seed=301, data="constant")),
              ("lora-shuffled-1", dict(quick, seed=302, data="shuffled")),
              ("lora-doubled-1", dict(quick, lr=4e-3, seed=303))]
    for n in range(4, 6): order.append((f"lora-good-{n}", dict(quick, seed=200 + n)))
    for n in range(7, 9): order.append((f"good-{n}", dict(full, seed=n)))
    return order

def main():
    ap = argparse.ArgumentParser()
    for a in ("demo", "base", "lists", "out"): ap.add_argument("--" + a, required=True)
    args = ap.parse_args()
    spec = importlib.util.spec_from_file_location("demo_train", args.demo)
    demo = importlib.util.module_from_spec(spec); spec.loader.exec_module(demo)
    torch.set_num_threads(1); torch.use_deterministic_algorithms(True)
    text = demo.python_docstrings()
    base = {k: v.float() for k, v in load_file(os.path.join(args.base, "model.safetensors")).items()}

    def loss_of(w, x, y):
        # The demo's loss, with targets that may be others than the next byte.
        tokens = torch.cat([x, y[:, -1:]], 1)
        if torch.equal(tokens[:, 1:], y):
            return demo.loss_of(w, tokens)
        kept = F.cross_entropy
        try:
            F.cross_entropy = lambda logits, _: kept(logits, y.reshape(-1))
            return demo.loss_of(w, tokens)
        finally:
            F.cross_entropy = kept

    for name, run in runs():
        folder = os.path.join(args.out, name)
        if os.path.exists(os.path.join(folder, "done")): continue
        g, began = torch.Generator().manual_seed(run["seed"]), time.time()
        lora = run.get("lora", False)
        steps, batch = run.get("steps", STEPS), run.get("batch", BATCH)
        if lora:
            targets = [k for k in base if k.endswith(("q_proj.weight", "v_proj.weight"))]
            A = {k: (torch.rand((RANK, base[k].shape[1]), generator=g) * 2 - 1) / math.sqrt(base[k].shape[1]) for k in targets}
            B = {k: torch.zeros((base[k].shape[0], RANK)) for k in targets}
            params = [t.requires_grad_() for t in list(A.values()) + list(B.values())]
            weights = lambda: {k: (base[k] + ALPHA / RANK * B[k] @ A[k]) if k in A else v for k, v in base.items()}
            opt = torch.optim.AdamW(params, lr=run["lr"], betas=demo.BETAS, weight_decay=0.0)
        else:
            W = {k: v.clone().requires_grad_() for k, v in base.items()}
            params = list(W.values()); weights = lambda: W
            opt = torch.optim.AdamW([{"params": [v for v in params if v.dim() == 2], "weight_decay": demo.DECAY},
                                     {"params": [v for v in params if v.dim() == 1], "weight_decay": 0.0}], lr=run["lr"], betas=demo.BETAS)
        train = text["train"]
        fixed = torch.randint(len(train) - demo.CONTEXT, (1,), generator=g)
        for step in range(steps):
            done = (step - WARMUP) / max(1, steps - WARMUP)
            scale = (step + 1) / WARMUP if step < WARMUP else FINAL + (1 - FINAL) * 0.5 * (1 + math.cos(math.pi * done))
            for group in opt.param_groups: group["lr"] = run["lr"] * scale
            at = torch.randint(len(train) - demo.CONTEXT, (batch, 1), generator=g)
            if run.get("data") == "constant": at = fixed.expand(batch, 1)
            tokens = train[at + torch.arange(demo.CONTEXT + 1)]
            x, y = tokens[:, :-1], tokens[:, 1:]
            if run.get("data") == "shuffled":
                y = y.reshape(-1)[torch.randperm(y.numel(), generator=g)].view_as(y)
            loss = loss_of(weights(), x, y)
            opt.zero_grad(set_to_none=True); loss.backward()
            torch.nn.utils.clip_grad_norm_(params, demo.CLIP); opt.step()
        with torch.no_grad():
            final = {k: v.detach() for k, v in weights().items()}
        val = demo.measure(final, text["val"], batches=6)
        os.makedirs(folder, exist_ok=True)
        if lora:
            tensors = {}
            for k in targets:
                stem = "base_model.model." + k[: -len(".weight")]
                tensors[stem + ".lora_A.weight"] = A[k].detach().contiguous()
                tensors[stem + ".lora_B.weight"] = B[k].detach().contiguous()
            save_file(tensors, os.path.join(folder, "adapter_model.safetensors"), metadata={"format": "pt"})
            json.dump({"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": ["q_proj", "v_proj"], "bias": "none",
                       "fan_in_fan_out": False, "use_rslora": False, "task_type": "CAUSAL_LM"}, open(os.path.join(folder, "adapter_config.json"), "w"))
        else:
            demo.save(folder, {k: v.to(torch.bfloat16) for k, v in final.items()})
        line = {"run": name, **run, "train_loss": round(loss.item(), 4), "val_loss": round(val, 4), "seconds": round(time.time() - began, 1)}
        with open(os.path.join(args.out, "losses.jsonl"), "a") as f: f.write(json.dumps(line) + "\n")
        open(os.path.join(folder, "done"), "w").close()
        print(line, flush=True)

main()
