#!/usr/bin/env python3
"""A text-to-video model as a stage of Longtake, with the protocol of docs/stages.md. It was not run in this project."""

import json
import sys

import torch
from diffusers import AutoencoderKLWan, WanPipeline
from diffusers.utils import export_to_video

MODEL = "Wan-AI/Wan2.1-T2V-1.3B-Diffusers"


def say(**message):
    print(json.dumps(message), flush=True)


def main():
    stage = json.load(sys.stdin)
    given = stage["input"]
    seed = given.get("seed")
    say(progress=0, message="loading the model")
    vae = AutoencoderKLWan.from_pretrained(MODEL, subfolder="vae", torch_dtype=torch.float32)
    pipe = WanPipeline.from_pretrained(MODEL, vae=vae, torch_dtype=torch.bfloat16).to("cuda")
    # The model has its own progress bar on standard error, which goes to the stage's log.

    def after_step(_pipe, step, _timestep, values):
        # The last part of the progress is for decoding and encoding.
        say(progress=0.05 + 0.85 * (step + 1) / given["steps"], message=f"step {step + 1} of {given['steps']}")
        return values

    frames = pipe(
        prompt=given["prompt"],
        height=480,
        width=832,
        num_frames=81,
        num_inference_steps=given["steps"],
        generator=None if seed is None else torch.Generator("cuda").manual_seed(seed),
        callback_on_step_end=after_step,
    ).frames[0]
    export_to_video(frames, "video.mp4", fps=16)
    say(artifact="video.mp4", type="video/mp4", role="result")
    say(output={"video": {"artifact": "video.mp4", "frames": len(frames), "fps": 16}})


try:
    main()
except torch.cuda.OutOfMemoryError:
    # Another program may have used the memory, so another attempt can help.
    say(error={"code": "gpu_out_of_memory", "message": "the GPU has not enough memory", "retryable": True})
    sys.exit(75)
