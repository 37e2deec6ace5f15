"""What every setting of a stack is called, what it is for in plain words, and what it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from explorer.widgets.words import WORDS
from sae_core import config as c
from sae_core import limits

Kind = Literal["choice", "whole", "number", "steps", "switch"]

RATES = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
WEIGHTS = (0.0, 1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Setting:
    """How one field of a `LayerConfig` or `StackConfig` is shown.

    Attributes:
        name: of the field.
        label, help: for people; the help names the paper that the idea comes from.
        kind: choice among options; whole number; number; steps on a slider; switch.
        options: of a choice or of steps.
        lowest, highest, step: of a number.
        open: the field may be None: "as the stack", or "unlimited".
    """

    name: str
    label: str
    help: str
    kind: Kind
    options: tuple[Any, ...] = ()
    lowest: float = 0
    highest: float = 1
    step: float = 0.05
    open: str = ""
    words: Mapping[object, str] = field(default_factory=dict)

    def word(self, value: object) -> str:
        """An option for people."""
        if value is None:
            return self.open
        if value in self.words:
            return self.words[value]
        return f"{value:g}" if isinstance(value, float) else WORDS.get(value, str(value))


LAYER_CONVOLUTION = (
    Setting(
        "channels",
        "Channels",
        "Pictures in the code of a convolution: how many kinds of detail it looks for (Masci et al. 2011).",
        "steps",
        (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256),
    ),
    Setting(
        "kernel",
        "Kernel",
        "Side of the square of pixels that each value of the code is computed from.",
        "steps",
        (1, 3, 5, 7, 9, 11),
    ),
    Setting(
        "stride",
        "Stride",
        "Pixels from one square to the next: 2 halves height and width of the code.",
        "steps",
        (1, 2, 3, 4),
    ),
    Setting(
        "pooling",
        "Max-pooling",
        "Keeps the largest value of each square of this side, so that small shifts matter less. 1 is none.",
        "steps",
        (1, 2, 3, 4),
    ),
)
LAYER_CODE = (
    Setting(
        "activation",
        "Activation",
        "What the encoder does to its weighted sums.",
        "choice",
        get_args(c.Activation),
        open="as the stack",
    ),
    Setting(
        "normalisation",
        "Normalisation",
        "Brings the code's units to a common scale before the activation: over the batch (Ioffe & Szegedy 2015) or "
        "over the units of each row (Ba et al. 2016).",
        "choice",
        get_args(c.Normalisation),
    ),
    Setting(
        "dropout",
        "Dropout",
        "Share of code units switched off at random while the level trains, so that no unit relies on another "
        "(Srivastava et al. 2014).",
        "number",
        highest=0.95,
    ),
    Setting(
        "initialisation",
        "Initialisation",
        "Spread of the first random weights. auto: He for the ReLU family, LeCun for SELU, Xavier otherwise.",
        "choice",
        get_args(c.Initialisation),
    ),
)
LAYER_RECONSTRUCTION = (
    Setting(
        "loss",
        "Loss",
        "What the level minimises, summed over its inputs.",
        "choice",
        get_args(c.Loss),
        open="as the stack",
    ),
    Setting(
        "decoder_activation",
        "Decoder activation",
        "auto is sigmoid with binary cross-entropy and linear otherwise (Vincent et al. 2010).",
        "choice",
        ("auto", *get_args(c.Activation)),
    ),
    Setting(
        "tied",
        "Tied weights",
        "The decoder uses the transposed weights of the encoder: half the parameters, and a mild regulariser "
        "(Vincent et al. 2010).",
        "switch",
    ),
)
LAYER_REGULARISATION = (
    Setting(
        "corruption",
        "Corruption",
        "The level sees a damaged input and must restore the clean one: a denoising autoencoder (Vincent et al. 2010).",
        "choice",
        get_args(c.Corruption),
    ),
    Setting(
        "corruption_level",
        "Corruption level",
        "Masking, salt and pepper: share of the inputs that are hit. Gaussian: standard deviation of the noise.",
        "number",
        highest=10,
    ),
    Setting(
        "sparsity",
        "Sparsity",
        "Keeps most units silent for most rows: KL pulls each unit's mean activation to the target (Ng 2011), "
        "L1 pulls every activation towards zero.",
        "choice",
        get_args(c.Sparsity),
    ),
    Setting("sparsity_weight", "Sparsity weight", "Weight of the sparsity penalty in the objective.", "steps", WEIGHTS),
    Setting(
        "sparsity_target",
        "Sparsity target",
        "Wanted mean activation of each unit (KL only).",
        "number",
        lowest=0.01,
        highest=0.99,
        step=0.01,
    ),
    Setting(
        "contractive",
        "Contractive penalty",
        "Makes the code insensitive to small changes of the input, by a penalty on the encoder's Jacobian "
        "(Rifai et al. 2011).",
        "steps",
        WEIGHTS,
    ),
    Setting("l2", "L2 penalty", "Weight decay: half the squared sum of the weights, times this.", "steps", WEIGHTS),
)
LAYER_TRAINING = (
    Setting(
        "epochs", "Own epochs", "Empty: as the stack.", "whole", highest=limits.MAX_EPOCHS, step=1, open="as the stack"
    ),
    Setting(
        "batch_size",
        "Own batch size",
        "Empty: as the stack.",
        "whole",
        lowest=1,
        highest=limits.MAX_BATCH_SIZE,
        step=1,
        open="as the stack",
    ),
    Setting("learning_rate", "Own learning rate", "As the stack, unless set.", "steps", RATES, open="as the stack"),
)
LAYER_GROUPS: dict[str, tuple[Setting, ...]] = {
    "Code": LAYER_CODE,
    "Reconstruction": LAYER_RECONSTRUCTION,
    "Regularisation": LAYER_REGULARISATION,
    "Learning": LAYER_TRAINING,
}

STACK_MAIN = (
    Setting(
        "activation",
        "Activation",
        "What every encoder does to its weighted sums, unless a level has its own. ReLU learns fast; "
        "sigmoid and tanh give bounded codes.",
        "choice",
        get_args(c.Activation),
    ),
    Setting(
        "epochs",
        "Epochs per level",
        "How often each level sees all training rows.",
        "whole",
        highest=limits.MAX_EPOCHS,
        step=1,
    ),
    Setting(
        "batch_size",
        "Batch size",
        "Rows per gradient step. Small batches learn more per epoch, large ones run faster.",
        "steps",
        BATCHES,
    ),
    Setting(
        "learning_rate", "Learning rate", "Size of each step. Too large diverges, too small crawls.", "steps", RATES
    ),
    Setting(
        "seed", "Seed", "The same seed gives the same weights and the same result.", "whole", highest=2**53 - 1, step=1
    ),
)
STACK_PRETRAINING = (
    Setting(
        "pretraining",
        "Pretraining",
        "Level by level (greedy; Bengio et al. 2007): each level is an autoencoder of its own on the codes below. "
        "All at once: the ordinary deep autoencoder with one objective, to compare with.",
        "choice",
        get_args(c.Pretraining),
        words={"none": "None (random weights)"},
    ),
    Setting(
        "joint_epochs",
        "Joint epochs",
        "Empty: as many gradient steps as the levels would take one after the other.",
        "whole",
        highest=limits.MAX_EPOCHS,
        step=1,
        open="equal number of steps",
    ),
    Setting(
        "unrolled_epochs",
        "Unrolled fine-tuning, epochs",
        "After the levels: encoders and decoders chained into one deep network that learns the reconstruction "
        "as a whole (Hinton & Salakhutdinov 2006).",
        "whole",
        highest=limits.MAX_EPOCHS,
        step=1,
    ),
)
STACK_CLASSIFIER = (
    Setting(
        "softmax_epochs",
        "Softmax, epochs",
        "A softmax classifier on the frozen code of every level, and on the raw input, to see what each level "
        "is worth.",
        "whole",
        highest=limits.MAX_EPOCHS,
        step=1,
    ),
    Setting(
        "fine_tune_epochs",
        "Fine-tuning, epochs",
        "The whole stack with its softmax learns the labels, starting from the pretrained weights "
        "(Bengio et al. 2007).",
        "whole",
        highest=limits.MAX_EPOCHS,
        step=1,
    ),
    Setting(
        "label_share",
        "Share of labels used",
        "Below 1, the classifier sees only this share of the training labels: what pretraining is worth "
        "when labels are rare.",
        "number",
        lowest=0.01,
        highest=1.0,
        step=0.01,
    ),
)
STACK_CLASSIFIER_MORE = (
    Setting("softmax_learning_rate", "Softmax learning rate", "Of the classifiers on frozen codes.", "steps", RATES),
    Setting(
        "fine_tune_learning_rate", "Fine-tuning learning rate", "Of the whole stack with its softmax.", "steps", RATES
    ),
    Setting(
        "fine_tune_dropout",
        "Fine-tuning dropout",
        "Share of units switched off while fine-tuning.",
        "number",
        highest=0.95,
    ),
    Setting(
        "fine_tune_masking",
        "Fine-tuning masking",
        "Share of inputs set to 0 while fine-tuning. It helps where few rows have labels.",
        "number",
        highest=0.95,
    ),
    Setting(
        "fine_tune_weight_decay",
        "Fine-tuning weight decay",
        "Pulls the weights towards zero while fine-tuning.",
        "steps",
        WEIGHTS,
    ),
    Setting(
        "label_smoothing",
        "Label smoothing",
        "Share of certainty taken from the true class (Szegedy et al. 2016).",
        "number",
        highest=0.5,
    ),
)
STACK_OPTIMISER = (
    Setting(
        "optimiser", "Optimiser", "Adam (Kingma & Ba 2015) is a good first choice.", "choice", get_args(c.Optimiser)
    ),
    Setting("momentum", "Momentum", "Of SGD only.", "number", highest=0.99, step=0.01),
    Setting(
        "schedule",
        "Learning rate over time",
        "Constant, falling along a cosine, or one cycle up and down.",
        "choice",
        get_args(c.Schedule),
    ),
    Setting(
        "gradient_clip",
        "Gradient clipping",
        "Longest step that a single batch may ask for. Empty: unlimited.",
        "number",
        lowest=0.0,
        highest=1000.0,
        step=0.5,
        open="unlimited",
    ),
    Setting(
        "early_stopping",
        "Early stopping, epochs",
        "A phase ends after this many epochs without a better validation loss, and keeps its best "
        "weights. Empty: never.",
        "whole",
        lowest=1,
        highest=limits.MAX_EPOCHS,
        step=1,
        open="never",
    ),
    Setting("loss", "Loss", "What every level minimises, unless it has its own.", "choice", get_args(c.Loss)),
    Setting(
        "scaling",
        "Scaling of the input",
        "auto: none for pictures (already 0 to 1), otherwise each column to mean 0 and standard deviation 1.",
        "choice",
        get_args(c.Scaling),
    ),
    Setting("device", "Device", "auto: a GPU where there is one, else the CPU.", "choice", get_args(c.Device)),
    Setting(
        "precision",
        "Precision of products",
        "auto: bfloat16 for large steps where the processor is faster with it, else float32. Weights stay float32.",
        "choice",
        get_args(c.Precision),
    ),
)
