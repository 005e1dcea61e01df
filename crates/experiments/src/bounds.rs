//! Which values the numbers of an experiment file can have; `docs/configuration.md` prints them.

use fastersam::bounds::Bound;

/// A key's path, the lowest and the highest value. A list stands for its entries.
pub const BOUNDS: &[Bound] = &[
    ("data.train_cases", 1.0, 10_000.0),
    ("data.calibrate_cases", 1.0, 10_000.0),
    ("data.evaluate_cases", 1.0, 10_000.0),
    ("data.calibrate.hold_out", 1.0, 100_000.0),
    ("data.calibrate.from_training", 1.0, 100_000.0),
    ("model.input_size", 16.0, 4096.0),
    ("model.pause_points", 0.0, 128.0),
    ("model.injection_blocks", 0.0, 127.0),
    ("model.tuning.rank", 1.0, 1024.0),
    ("model.tuning.reduction", 1.0, 1024.0),
    ("train.epochs", 1.0, 100_000.0),
    ("train.batch_size", 1.0, 4096.0),
    ("train.learning_rate", 0.0, 1e10),
    ("train.warmup_steps", 0.0, 1_000_000_000.0),
    ("train.decay_power", 0.0, 100.0),
    ("train.weight_decay", 0.0, 100.0),
    ("train.lambda_aux", 0.0, 1000.0),
    ("train.validate_every_epochs", 1.0, 100_000.0),
    ("train.checkpoint_every_steps", 1.0, 1_000_000_000.0),
    ("measure.batch_size", 1.0, 4096.0),
    ("measure.thresholds", 0.0, 1.0),
    ("measure.dice_tolerance", 0.0, 1.0),
    ("measure.throughput_batch_sizes", 1.0, 4096.0),
    ("measure.throughput_runs", 1.0, 1000.0),
    ("measure.shown_slices", 0.0, 1000.0),
];
