"""Ask a network that `ecgkit export onnx` wrote, with onnxruntime, numpy and h5py alone: who, in which state?

    python examples/predict_with_onnx.py model.onnx study/dataset.h5

No ecgkit and no torch is needed: docs/onnx.md says what is in the file. The windows come from a data set
here; windows from elsewhere must be cleaned and scaled as the card's `pipeline` says.
"""

import json
import sys

import h5py
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
said = session.get_modelmeta().custom_metadata_map
card = json.loads(said["ecgkit.card"])
calibration = json.loads(said.get("ecgkit.calibration", '{"tasks": {}}'))
labels = {"subject": card["subject_labels"], "condition": card["condition_labels"]}

with h5py.File(sys.argv[2]) as file:
    windows = file["windows"][:]  # (N, lead, T) float32
    if (file.attrs["fs"], windows.shape[1:]) != (card["fs"], tuple(session.get_inputs()[0].shape[1:])):
        sys.exit(f"{sys.argv[2]}: windows of another rate, length or number of leads than the network takes")
    true = {task: file[f"{task}s"].asstr()[:][file[f"table/{task}"][:]] for task in labels}

names = [output.name for output in session.get_outputs()]  # subject_logits, condition_logits, or one of them
blocks = [session.run(names, {"windows": windows[i : i + 64]}) for i in range(0, len(windows), 64)]
logits = dict(zip(names, map(np.concatenate, zip(*blocks, strict=True)), strict=True))

simulated = "SIMULATED data. " if card["simulated"] else ""
print(f"{simulated}{len(windows)} windows; those that the network was trained on say nothing of new ones:")
for task in labels:
    if (name := f"{task}_logits") in logits:
        temperature = calibration["tasks"].get(task, {"temperature": 1.0})["temperature"]
        scaled = (logits[name] - logits[name].max(axis=1, keepdims=True)) / temperature
        probability = np.exp(scaled) / np.exp(scaled).sum(axis=1, keepdims=True)  # (N, classes)
        answer = np.array(labels[task])[probability.argmax(axis=1)]
        right, sure = np.mean(answer == true[task]), probability.max(axis=1).mean()
        print(f"  {task:9s} right {right:.2f}   mean probability of the answers {sure:.2f}")
