"""A recipe that explains itself, with every key there is: ``chatdesk train --example``. No torch here."""

EXAMPLE = """\
# A recipe: all that the result of a training depends on. Save it as recipe.toml, put your text beside it (or name its
# folder by --text) and start:  chatdesk train recipe.toml
# Keys behind a "#" are alternatives, or may be left out and then have the value that is shown.

version = 1                      # of the format of recipes
# seed = 0                       # same seed, same beginning and same order of the text
# precision = "bf16"             # or "fp32": exact and slower
# optimizer = "adamw"            # or "muon" for the matrices inside the blocks: learns faster, for new models
# other_rate = 0.15              # under muon: learning rate of all other parameters, as a share of the stage's
# weight_decay = 0.1             # pulls matrices towards zero
# clip = 1.0                     # most length of a step's gradient
held_out_every_steps = 200       # steps between two measurements on held-out text
# save_every_seconds = 180.0     # a run that was cut loses no more than this
# patience = 0                   # end a stage after so many measurements without a better loss; 0: never
# checkpointing = false          # true: less memory, about a third more time
sample_prompts = ["Once upon a time"]  # continued at each measurement, to watch how the model learns
# sample_tokens = 60             # most tokens of such a text

# A new model. Its parameters are about 12 x layers x width x width + vocabulary x width.
[model]
# kind = "gpt2"                  # or "llama"
vocabulary = 8000                # tokens of the tokenizer, which is trained on the text
# tokenizer = "folder"           # or taken from a folder with tokenizer.json: its size counts, not the one above
context = 512                    # most tokens that the model can see
width = 256                      # numbers for each token; a multiple of heads
layers = 5                       # blocks
heads = 4                        # of attention, in each block
# key_value_heads = 0            # of a Llama: heads that share keys and values in so many groups; 0: none share

# Instead of [model]: a checkpoint to go on from, which is only read. Relative to this file.
# [start]
# checkpoint = "folder"

# With [start]: train an adapter for it alone, a small file that can be put on and off.
# [lora]
# rank = 8                       # size of the adapter
# alpha = 16.0                   # strength: what it adds is multiplied by alpha / rank
# dropout = 0.0
# targets = []                   # ends of the names of layers; none: all linear layers but the output

# How the finished model suggests to sample.
[sampling]
temperature = 0.7                # 0: always the likeliest token
top_p = 0.9
# top_k = 0                      # 0: off
# min_p = 0.0                    # 0: off
# repetition_penalty = 1.1       # 1: off
# max_new_tokens = 256

# One or more stages, one after the other, each with its own text.
[[stages]]
name = "prose"
sources = [                      # txt, md, jsonl, also xz; weights are shares of the tokens
  { file = "books.txt", weight = 3 },
  { file = "articles.jsonl", weight = 1 },
]
# held_out = [{ file = "held-out.jsonl" }]  # text that is measured and never learned
tokens = 2_000_000               # length of the stage
# steps = 1000                   # or so; one of the two
sequence = 256                   # tokens of a row; at most the context
batch = 16                       # rows of a step
# accumulate = 1                 # compute a batch in so many parts: less memory, the same result
learning_rate = 1e-3             # 1e-3 for small new models, 1e-5 to 1e-4 from a checkpoint
# final_learning_rate = 0.0      # what it falls to
warmup_steps = 20                # in which it rises from zero
# loss = "everything"            # or "replies": learn the assistant's words in dialogues alone
# isolate = false                # true: a document does not see those beside it in a row
# layers = 5                     # of a new model: grow to so many blocks as the stage begins
"""
"""Read by `recipe.load_recipe` as it is."""
