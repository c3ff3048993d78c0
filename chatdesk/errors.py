"""What the world can do to us. A user error carries a code and fields; its sentence is chosen where it is shown.

Two kinds of failure are kept apart: a `UserError` ("the world failed": a bad file, a full disk) is shown to the
person with what to do; any other exception is a mistake of ours and is reported as such.

Each sentence says what is wrong and what to do. English stands here, other languages in ``resources/locale``
(the no-op `QT_TRANSLATE_NOOP` marks the texts for ``pyside6-lupdate``; this module imports no Qt).
"""

from enum import StrEnum


def QT_TRANSLATE_NOOP(_context: str, text: str) -> str:
    """Mark a text for translation; returns it as it is."""
    return text


class Fault(StrEnum):
    """Codes of all user errors. They travel over the pipe and name the sentence."""

    # a checkpoint
    NOT_A_CHECKPOINT = "not_a_checkpoint"
    ONLY_PICKLE = "only_pickle"
    ONLY_GGUF = "only_gguf"
    BROKEN_SAFETENSORS = "broken_safetensors"
    UNSAFE_PATH = "unsafe_path"
    UNSAFE_CONFIG = "unsafe_config"
    QUANTISED = "quantised"
    BROKEN_CONFIG = "broken_config"
    UNKNOWN_ARCHITECTURE = "unknown_architecture"
    TENSORS_DO_NOT_MATCH = "tensors_do_not_match"
    NO_TOKENIZER = "no_tokenizer"
    LIMIT_EXCEEDED = "limit_exceeded"
    CHAT_TEMPLATE = "chat_template"
    # an adapter
    IS_ADAPTER = "is_adapter"
    NOT_AN_ADAPTER = "not_an_adapter"
    ADAPTER_DOES_NOT_FIT = "adapter_does_not_fit"
    ADAPTER_NEEDS_MODEL = "adapter_needs_model"
    CANNOT_REMOVE = "cannot_remove"
    STAYS = "stays"
    REMOVED_WHILE_LOADED = "removed_while_loaded"
    REMOVED_WHILE_FETCHED = "removed_while_fetched"
    PROFILE_IN_USE = "profile_in_use"
    # running it
    NO_MODEL = "no_model"
    OUT_OF_MEMORY = "out_of_memory"
    DOES_NOT_FIT = "does_not_fit"
    NO_DEVICE = "no_device"
    NO_PRECISION = "no_precision"
    NOT_FINITE = "not_finite"
    EMPTY_PROMPT = "empty_prompt"
    PROMPT_TOO_LONG = "prompt_too_long"
    CONTEXT_FULL = "context_full"
    ATTENTION_TOO_LONG = "attention_too_long"
    NO_ATTENTION = "no_attention"
    BAD_VALUE = "bad_value"
    BOTH_LENGTHS = "both_lengths"
    CANCELLED = "cancelled"
    ENGINE_DIED = "engine_died"
    ENGINE_KEEPS_DYING = "engine_keeps_dying"
    ENGINE_HUNG = "engine_hung"
    ENGINE_BUG = "engine_bug"
    ENGINE_VERSION = "engine_version"
    # files that go with a message
    ATTACHMENT_FOLDER = "attachment_folder"
    ATTACHMENT_BINARY = "attachment_binary"
    ATTACHMENT_ENCODING = "attachment_encoding"
    ATTACHMENT_TOO_LARGE = "attachment_too_large"
    ATTACHMENTS_TOO_LARGE = "attachments_too_large"
    ATTACHMENTS_TOO_MANY = "attachments_too_many"
    # classifying
    NO_TEXT_MARK = "no_text_mark"
    LABEL_EMPTY = "label_empty"
    LABELS_TOO_FEW = "labels_too_few"
    LABEL_TWICE = "label_twice"
    TABLE_TOO_LARGE = "table_too_large"
    TABLE_NOT_TEXT = "table_not_text"
    TABLE_BROKEN = "table_broken"
    TABLE_NO_COLUMN = "table_no_column"
    # storage
    DISK_FULL = "disk_full"
    CANNOT_WRITE = "cannot_write"
    DATABASE_NEWER = "database_newer"
    DATABASE_CORRUPT = "database_corrupt"
    ALREADY_RUNNING = "already_running"
    NO_DISPLAY = "no_display"
    IMPORT_UNREADABLE = "import_unreadable"
    IMPORT_TOO_LARGE = "import_too_large"
    # a model hub
    HUB_OFFLINE = "hub_offline"
    HUB_UNREACHABLE = "hub_unreachable"
    HUB_PROXY = "hub_proxy"
    HUB_NOT_FOUND = "hub_not_found"
    HUB_NO_REVISION = "hub_no_revision"
    HUB_GATED = "hub_gated"
    HUB_BAD_TOKEN = "hub_bad_token"
    HUB_RATE_LIMIT = "hub_rate_limit"
    HUB_SERVER = "hub_server"
    HUB_ANSWER = "hub_answer"
    DOWNLOAD_DAMAGED = "download_damaged"
    DOWNLOAD_NO_SPACE = "download_no_space"
    DOWNLOAD_BUSY = "download_busy"
    DOWNLOAD_CANNOT_WRITE = "download_cannot_write"
    NO_KEYRING = "no_keyring"
    # training and command line
    BAD_RECIPE = "bad_recipe"
    NO_TEXT = "no_text"
    TOO_LITTLE_TEXT = "too_little_text"
    NO_REPLIES = "no_replies"
    BROKEN_TEXT = "broken_text"
    RUN_IN_USE = "run_in_use"
    RUN_NOT_SAVED = "run_not_saved"
    RUN_OUT_OF_MEMORY = "run_out_of_memory"
    RUN_RECORD_DAMAGED = "run_record_damaged"
    RUN_STATE_DAMAGED = "run_state_damaged"
    RUN_DIVERGED = "run_diverged"
    RUN_BUG = "run_bug"
    BASE_CHANGED = "base_changed"
    MEASURE_OUT_OF_MEMORY = "measure_out_of_memory"
    NO_RUN = "no_run"
    NO_HELD_OUT = "no_held_out"
    LAB_BUSY = "lab_busy"
    FILE_NOT_FOUND = "file_not_found"
    FILE_DAMAGED = "file_damaged"


SENTENCES: dict[Fault, str] = {
    Fault.NOT_A_CHECKPOINT: QT_TRANSLATE_NOOP(
        "errors",
        "{path} is not a checkpoint: {reason}. Choose a folder that holds config.json and .safetensors files.",
    ),
    Fault.ONLY_PICKLE: QT_TRANSLATE_NOOP(
        "errors",
        "{path} holds its weights as a pickle ({file}), which can run code when it is opened. "
        "Look for the same model with .safetensors files.",
    ),
    Fault.ONLY_GGUF: QT_TRANSLATE_NOOP(
        "errors",
        "{path} holds a GGUF file ({file}), made for llama.cpp. "
        "Look for the original checkpoint with config.json and .safetensors files.",
    ),
    Fault.BROKEN_SAFETENSORS: QT_TRANSLATE_NOOP(
        "errors", "{file} is damaged: {reason}. Download or copy the file again."
    ),
    Fault.UNSAFE_PATH: QT_TRANSLATE_NOOP(
        "errors",
        "The checkpoint points outside its folder ({file}) and was not opened. Get it from a source you trust.",
    ),
    Fault.UNSAFE_CONFIG: QT_TRANSLATE_NOOP(
        "errors",
        "{file} asks to run code ({key}), so the checkpoint was not opened. Look for a version without this entry.",
    ),
    Fault.QUANTISED: QT_TRANSLATE_NOOP(
        "errors",
        "This checkpoint was made smaller by another program ({method}), which this one does not compute. "
        "Choose the original: it is made smaller when it is loaded, where memory is short.",
    ),
    Fault.BROKEN_CONFIG: QT_TRANSLATE_NOOP(
        "errors", "{file} cannot be read: {reason}. Download or copy the file again."
    ),
    Fault.UNKNOWN_ARCHITECTURE: QT_TRANSLATE_NOOP(
        "errors",
        "The architecture {architecture} is not one this program can run. "
        "Choose a causal language model that transformers supports by itself.",
    ),
    Fault.TENSORS_DO_NOT_MATCH: QT_TRANSLATE_NOOP(
        "errors",
        "The weights do not fit config.json: {reason}. Nothing was loaded; get the checkpoint again from its source.",
    ),
    Fault.NO_TOKENIZER: QT_TRANSLATE_NOOP(
        "errors",
        "{path} has no tokenizer. Copy tokenizer.json (or vocab.json and merges.txt) of this model into the folder.",
    ),
    Fault.LIMIT_EXCEEDED: QT_TRANSLATE_NOOP(
        "errors", "{file} is refused: {reason}. A checkpoint from a good source does not need so much."
    ),
    Fault.CHAT_TEMPLATE: QT_TRANSLATE_NOOP(
        "errors", "The chat template of this checkpoint failed: {reason}. Remove the template to use plain dialogue."
    ),
    Fault.CANNOT_REMOVE: QT_TRANSLATE_NOOP(
        "errors", "{path} was not moved to the trash: {reason}. Remove it with the system's file manager."
    ),
    Fault.STAYS: QT_TRANSLATE_NOOP(
        "errors", "{path} is not moved to the trash: the model in the box stays, and so does your home folder."
    ),
    Fault.REMOVED_WHILE_LOADED: QT_TRANSLATE_NOOP("errors", "{path} is loaded. Unload it first, then remove it."),
    Fault.REMOVED_WHILE_FETCHED: QT_TRANSLATE_NOOP(
        "errors", "{path} is being downloaded. Wait until that has ended, or cancel it; then remove it."
    ),
    Fault.PROFILE_IN_USE: QT_TRANSLATE_NOOP(
        "errors",
        "The window is open with this profile ({path}). Add and remove models on its Models page, or close it first.",
    ),
    Fault.IS_ADAPTER: QT_TRANSLATE_NOOP(
        "errors",
        "{path} is an adapter, which changes a model and is none by itself. "
        "Load the model it was made for, then attach the adapter to it.",
    ),
    Fault.NOT_AN_ADAPTER: QT_TRANSLATE_NOOP(
        "errors",
        "{path} cannot be attached: {reason}. Choose a folder with a plain LoRA adapter in adapter_config.json and "
        "adapter_model.safetensors.",
    ),
    Fault.ADAPTER_DOES_NOT_FIT: QT_TRANSLATE_NOOP(
        "errors", "The adapter {adapter} does not fit {model}: {reason}. Load the model it was made for: {base}."
    ),
    Fault.ADAPTER_NEEDS_MODEL: QT_TRANSLATE_NOOP(
        "errors", "The adapter {adapter} changes a model, and none is loaded. Load the one it was made for: {base}."
    ),
    Fault.NO_MODEL: QT_TRANSLATE_NOOP("errors", "No model is loaded. Choose one from the model menu."),
    Fault.OUT_OF_MEMORY: QT_TRANSLATE_NOOP(
        "errors",
        "{device} ran out of memory. Choose a smaller model, a shorter length, or the CPU. What was written is kept.",
    ),
    Fault.DOES_NOT_FIT: QT_TRANSLATE_NOOP(
        "errors",
        "{name} needs at least {needed} of memory, and there are {total}. Choose a smaller model.",
    ),
    Fault.NO_DEVICE: QT_TRANSLATE_NOOP("errors", "This machine has no device {device}. Choose one of: {available}."),
    Fault.NO_PRECISION: QT_TRANSLATE_NOOP(
        "errors", "{device} cannot compute with {dtype} weights. Choose another precision, or the CPU."
    ),
    Fault.NOT_FINITE: QT_TRANSLATE_NOOP(
        "errors",
        "The model computed no valid probabilities (NaN). Its weights are damaged or need float32: "
        "load it in float32 or get the checkpoint again.",
    ),
    Fault.EMPTY_PROMPT: QT_TRANSLATE_NOOP("errors", "The prompt is empty. Type some text first."),
    Fault.PROMPT_TOO_LONG: QT_TRANSLATE_NOOP(
        "errors",
        "The text has {tokens} tokens and the model can see {limit}. Shorten it or choose one with a longer context.",
    ),
    Fault.CONTEXT_FULL: QT_TRANSLATE_NOOP(
        "errors",
        "The conversation has {tokens} tokens and at most {limit} fit into the context. "
        "Pin what matters and leave out the oldest turns, or begin a new chat.",
    ),
    Fault.ATTENTION_TOO_LONG: QT_TRANSLATE_NOOP(
        "errors", "The text has {tokens} tokens, and attention is shown for at most {limit}. Shorten it."
    ),
    Fault.NO_ATTENTION: QT_TRANSLATE_NOOP(
        "errors",
        "{model} computes no attention that could be shown. Choose a transformer, such as the model in the box.",
    ),
    Fault.BAD_VALUE: QT_TRANSLATE_NOOP("errors", "{name} is {value}; it must be {allowed}."),
    Fault.BOTH_LENGTHS: QT_TRANSLATE_NOOP(
        "errors", "Give either the number of new tokens or the whole length, not both."
    ),
    Fault.CANCELLED: QT_TRANSLATE_NOOP("errors", "Cancelled."),
    Fault.ENGINE_DIED: QT_TRANSLATE_NOOP(
        "errors", "The engine stopped unexpectedly ({reason}). A fresh one is starting; what was written is kept."
    ),
    Fault.ENGINE_KEEPS_DYING: QT_TRANSLATE_NOOP(
        "errors",
        "The engine stopped three times in five minutes ({reason}) and was not started again. "
        "Try the CPU or another model.",
    ),
    Fault.ENGINE_HUNG: QT_TRANSLATE_NOOP(
        "errors", "The engine did not answer and was ended. A fresh one is starting; what was written is kept."
    ),
    Fault.ENGINE_BUG: QT_TRANSLATE_NOOP(
        "errors",
        "Something in the engine went wrong ({reason}). This is a mistake of the program; details are in {log}.",
    ),
    Fault.ENGINE_VERSION: QT_TRANSLATE_NOOP(
        "errors",
        "The engine belongs to another version of the program (it speaks protocol {found}, this one {known}). "
        "Install chatdesk again.",
    ),
    Fault.ATTACHMENT_FOLDER: QT_TRANSLATE_NOOP("errors", "{name} is a folder. Choose the text files in it."),
    Fault.ATTACHMENT_BINARY: QT_TRANSLATE_NOOP(
        "errors", "{name} is not a text file. Save what it says as plain text and choose that."
    ),
    Fault.ATTACHMENT_ENCODING: QT_TRANSLATE_NOOP(
        "errors", "{name} is in none of UTF-8, UTF-16 and GB18030. Save it as UTF-8 and choose it again."
    ),
    Fault.ATTACHMENT_TOO_LARGE: QT_TRANSLATE_NOOP(
        "errors", "{name} has {size} MB, and a file may have {most} MB. Choose a file with the part that matters."
    ),
    Fault.ATTACHMENTS_TOO_LARGE: QT_TRANSLATE_NOOP(
        "errors",
        "{name} was not attached: the files of one message may have {most} million characters. "
        "Send it with the next one.",
    ),
    Fault.ATTACHMENTS_TOO_MANY: QT_TRANSLATE_NOOP(
        "errors", "{name} was not attached: one message takes {most} files. Send it with the next one."
    ),
    Fault.NO_TEXT_MARK: QT_TRANSLATE_NOOP("errors", "The prompt needs {mark} where the text is to stand."),
    Fault.LABEL_EMPTY: QT_TRANSLATE_NOOP("errors", "Label {number} is empty. Give it a name and a wording."),
    Fault.LABELS_TOO_FEW: QT_TRANSLATE_NOOP("errors", "There is nothing to choose from. Give at least two labels."),
    Fault.LABEL_TWICE: QT_TRANSLATE_NOOP("errors", "Two labels are “{label}”. Give each its own name and wording."),
    Fault.TABLE_TOO_LARGE: QT_TRANSLATE_NOOP(
        "errors", "{path} has {size} MB, and at most {most} MB are read at a time. Split it into several files."
    ),
    Fault.TABLE_NOT_TEXT: QT_TRANSLATE_NOOP(
        "errors", "{path} is not a text file. Save the table as CSV in UTF-8, or as JSON lines."
    ),
    Fault.TABLE_BROKEN: QT_TRANSLATE_NOOP(
        "errors", "{path} cannot be read from line {line} on: {reason}. Nothing was taken from it; mend that line."
    ),
    Fault.TABLE_NO_COLUMN: QT_TRANSLATE_NOOP(
        "errors", "There is no column “{column}”. Choose one of these: {columns}."
    ),
    Fault.DISK_FULL: QT_TRANSLATE_NOOP(
        "errors", "The disk with {path} is full. Free some space; what you typed is kept in the window until then."
    ),
    Fault.CANNOT_WRITE: QT_TRANSLATE_NOOP(
        "errors", "{path} cannot be written: {reason}. Check the folder's permissions, or choose another place."
    ),
    Fault.DATABASE_NEWER: QT_TRANSLATE_NOOP(
        "errors",
        "{path} was written by a newer chatdesk (schema {found}, this one knows {known}). "
        "Install the newer program; the file was not touched.",
    ),
    Fault.DATABASE_CORRUPT: QT_TRANSLATE_NOOP(
        "errors", "{path} is damaged: {reason}. It was left as it is; restore a backup or start with a new one."
    ),
    Fault.ALREADY_RUNNING: QT_TRANSLATE_NOOP(
        "errors", "chatdesk already runs with this profile ({path}). Its window was asked to come to the front."
    ),
    Fault.NO_DISPLAY: QT_TRANSLATE_NOOP(
        "errors", "There is no display to open a window on. Chat in the terminal instead: chatdesk chat."
    ),
    Fault.IMPORT_UNREADABLE: QT_TRANSLATE_NOOP(
        "errors",
        "Nothing was imported from {path}: {reason}. "
        "Choose an export of chatdesk, ChatGPT, Open WebUI, LM Studio or Jan, or export it again there.",
    ),
    Fault.IMPORT_TOO_LARGE: QT_TRANSLATE_NOOP(
        "errors",
        "Nothing was imported from {path}: it has {size} GB, and at most 1 GB is read at a time. "
        "Export fewer conversations at a time there.",
    ),
    Fault.HUB_OFFLINE: QT_TRANSLATE_NOOP(
        "errors",
        "chatdesk is offline, so {host} was not asked. Turn Offline off in Settings (or unset HF_HUB_OFFLINE).",
    ),
    Fault.HUB_UNREACHABLE: QT_TRANSLATE_NOOP(
        "errors", "{host} cannot be reached: {reason}. Check the connection and the proxy, then try again."
    ),
    Fault.HUB_PROXY: QT_TRANSLATE_NOOP(
        "errors", "The proxy {proxy} cannot be used. Name one that speaks HTTP: HTTPS_PROXY=http://HOST:PORT."
    ),
    Fault.HUB_NOT_FOUND: QT_TRANSLATE_NOOP(
        "errors", "{host} has no model {name}, or it is private. Check the name; a private one needs an access token."
    ),
    Fault.HUB_NO_REVISION: QT_TRANSLATE_NOOP(
        "errors", "{name} has no revision {revision}. Choose a branch, a tag or a commit that it has, such as main."
    ),
    Fault.HUB_GATED: QT_TRANSLATE_NOOP(
        "errors",
        "{name} is given only to those who accept its terms. Accept them at {url} and keep an access token here.",
    ),
    Fault.HUB_BAD_TOKEN: QT_TRANSLATE_NOOP(
        "errors", "{host} does not accept the access token. Make a new one there and keep that."
    ),
    Fault.HUB_RATE_LIMIT: QT_TRANSLATE_NOOP(
        "errors", "{host} was asked too often and wants a pause of {seconds} seconds. Try again after that."
    ),
    Fault.HUB_SERVER: QT_TRANSLATE_NOOP(
        "errors", "{host} has a fault of its own (status {status}). Try again later; what has come is kept."
    ),
    Fault.HUB_ANSWER: QT_TRANSLATE_NOOP(
        "errors",
        "{host} does not answer as a model hub does: {reason}. "
        "If this network asks you to sign in, do so in a browser; else check the address of the hub.",
    ),
    Fault.DOWNLOAD_DAMAGED: QT_TRANSLATE_NOOP(
        "errors", "{file} of {name} came with wrong bytes twice and was not kept. Try again later, or another hub."
    ),
    Fault.DOWNLOAD_NO_SPACE: QT_TRANSLATE_NOOP(
        "errors",
        "{name} needs {needed} more, and the disk with {path} has {free}. Free some space and go on; "
        "what has come is kept.",
    ),
    Fault.DOWNLOAD_BUSY: QT_TRANSLATE_NOOP(
        "errors", "Another program is fetching {file} of {name} just now. Wait until it has ended, then go on."
    ),
    Fault.DOWNLOAD_CANNOT_WRITE: QT_TRANSLATE_NOOP(
        "errors", "{path} cannot be written: {reason}. Check its permissions, or name another folder in HF_HOME."
    ),
    Fault.NO_KEYRING: QT_TRANSLATE_NOOP(
        "errors", "The system has no keyring that keeps a token ({reason}). Give it in HF_TOKEN instead."
    ),
    Fault.BAD_RECIPE: QT_TRANSLATE_NOOP("errors", "{path}: {reason}."),
    Fault.NO_TEXT: QT_TRANSLATE_NOOP("errors", "{path} holds no text to work on. Choose files with text in them."),
    Fault.TOO_LITTLE_TEXT: QT_TRANSLATE_NOOP(
        "errors",
        "Of {path}, {documents} documents with {bytes} bytes are left to train on, and at least {least} bytes are "
        "needed. Add more text, or leave out a step of the cleaning.",
    ),
    Fault.NO_REPLIES: QT_TRANSLATE_NOOP(
        "errors",
        "{path} holds no replies, and the stage {stage} learns from replies alone. Choose text with dialogues, or let "
        "it learn from everything.",
    ),
    Fault.BROKEN_TEXT: QT_TRANSLATE_NOOP("errors", "{path} cannot be read: {reason}."),
    Fault.RUN_IN_USE: QT_TRANSLATE_NOOP(
        "errors", "{path} is being trained just now by another process. Wait for it, or stop it first."
    ),
    Fault.RUN_NOT_SAVED: QT_TRANSLATE_NOOP(
        "errors",
        "The run in {path} could not be saved: {reason}. What it saved last is whole; mend that and go on from there.",
    ),
    Fault.RUN_OUT_OF_MEMORY: QT_TRANSLATE_NOOP(
        "errors",
        "There was not enough memory for the training. Choose a smaller batch, shorter sequences or a smaller model; "
        "what the run in {path} saved last is whole.",
    ),
    Fault.RUN_RECORD_DAMAGED: QT_TRANSLATE_NOOP(
        "errors", "{path} is damaged: {reason}. Put back a copy, or remove it: the run then goes on by its recipe.toml."
    ),
    Fault.RUN_STATE_DAMAGED: QT_TRANSLATE_NOOP(
        "errors",
        "{path} is damaged: {reason}. Put back a copy or an after-….safetensors from beside it, or begin a new run.",
    ),
    Fault.RUN_DIVERGED: QT_TRANSLATE_NOOP(
        "errors",
        "In step {step} of {stage} the loss is no number any more. Choose a lower learning rate or the precision fp32 "
        "in a new run; what the run in {path} saved last is whole.",
    ),
    Fault.RUN_BUG: QT_TRANSLATE_NOOP(
        "errors",
        "Something in the training went wrong ({reason}). This is a mistake of the program; "
        "what the run in {path} saved last is whole.",
    ),
    Fault.BASE_CHANGED: QT_TRANSLATE_NOOP(
        "errors",
        "The checkpoint {base} has changed since the run in {path} began with it. "
        "Put its files back as they were, or begin a new run in another folder.",
    ),
    Fault.MEASURE_OUT_OF_MEMORY: QT_TRANSLATE_NOOP(
        "errors", "There was not enough memory to measure {model}. Close other programs, or choose a smaller model."
    ),
    Fault.NO_RUN: QT_TRANSLATE_NOOP(
        "errors", "{path} holds no training run. Choose a folder with run.json or recipe.toml in it."
    ),
    Fault.NO_HELD_OUT: QT_TRANSLATE_NOOP(
        "errors", "The run {name} holds no text out to be judged by. Begin one with more documents, or with held_out."
    ),
    Fault.LAB_BUSY: QT_TRANSLATE_NOOP("errors", "The lab works on {name} just now. Pause it first, or wait."),
    Fault.FILE_DAMAGED: QT_TRANSLATE_NOOP(
        "errors", "{path} was damaged, so the defaults are used. The old file is kept as {aside}."
    ),
    Fault.FILE_NOT_FOUND: QT_TRANSLATE_NOOP("errors", "{path} does not exist. Check the name."),
}


class UserError(Exception):
    """The world failed, and the person can do something about it.

    Attributes: ``fault``, the code; ``fields``, what its sentence needs, as text.
    """

    def __init__(self, fault: Fault, **fields: object) -> None:
        self.fault = fault
        self.fields = {name: str(value) for name, value in fields.items()}
        super().__init__(fault, self.fields)

    def __str__(self) -> str:
        """The English sentence."""
        return SENTENCES[self.fault].format(**self.fields)
