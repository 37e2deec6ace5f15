# %% [markdown]
# # A stacked autoencoder from Python
#
# Every cell runs as it stands, here as a script or in any editor that knows `# %%` cells.

# %%
import sae_core as sae

# %% [markdown]
# ## Data
#
# A sample, or `sae.read_table("iris.csv", label="species")`, `sae.read_images("pictures.zip")`,
# `sae.read_arrays("digits.npz")`. Rows are divided into training, validation and test rows; everything is fitted on the
# training rows alone.

# %%
data = sae.load_sample("digits")
print(data.name, len(data), "rows,", data.n_features, "features,", len(data.classes), "classes")
print({part: len(rows) for part, rows in vars(data.split).items()})

# %% [markdown]
# ## Training, level by level
#
# Level 1 learns to give back the input, level 2 the codes of level 1, and so on. `sae.train` yields what happens, so
# whoever drives it owns the time; `sae.fit` only wants the model.

# %%
config = sae.StackConfig(
    layers=[sae.LayerConfig(units=48, corruption="masking", corruption_level=0.2), 16],
    epochs=8,
    batch_size=64,
    softmax_epochs=8,
    fine_tune_epochs=8,
)
for event in sae.train(data, config):
    if hasattr(event, "row") and event.row.epoch == event.phase.epochs:  # the last epoch of a phase
        print(f"{event.phase.title:32} validation loss {event.row.validation_loss:.3f}")
    if hasattr(event, "model"):
        model = event.model

# %% [markdown]
# ## Looking at the levels
#
# Level 0 is the prepared input, level k the code of the k-th autoencoder. Every level decodes down to the input.

# %%
test = data.take(data.split.test)
for level in range(1, model.n_levels + 1):
    codes = model.encode(test, level)
    error = ((model.reconstruct(test, level) - test) ** 2).mean()
    right = (model.predict(test, level=level) == data.y[data.split.test]).mean()
    print(f"level {level}: {codes.shape[1]} numbers, squared error {error:.4f}, softmax {right:.1%} right")
right = (model.predict(test) == data.y[data.split.test]).mean()
print(f"fine-tuned: {right:.1%} right")

# %% [markdown]
# ## Keeping it
#
# Safetensors, JSON and a manifest; no pickle. The loaded model takes the same rows to the same codes.

# %%
model.save("digits-model")
again = sae.load_model("digits-model")
assert (again.encode(test) == model.encode(test)).all()
print(model.history.tail(3))

# %% [markdown]
# ## In the background, as a run of the workspace
#
# The same run is then seen in the explorer, live, and `sae-explorer runs` lists it.

# %%
job = sae.start_job(data, config.replace(epochs=2), workspace=sae.default_workspace(), name="from Python")
job.join()
run = sae.default_workspace().run(job.id)
print(run.record.name, run.record.state, run.record.results["reconstruction_error"])
