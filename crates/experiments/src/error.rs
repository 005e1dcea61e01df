//! What a user can do something about. The program says with which of its options.

use std::path::PathBuf;

/// A training, a suite or its data that can't go on as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// Real data are needed, and nobody said where they lie.
    #[error("experiment {id:?} needs real data, and no folder of data sets was named")]
    NoDataFolder {
        /// The experiment.
        id: String,
    },
    /// A weight file is not where it was looked for.
    #[error("experiment {id:?} starts from {}, which was not found (looked for {tried})", name.display())]
    WeightsNotFound {
        /// The experiment.
        id: String,
        /// The file, as the experiment names it.
        name: PathBuf,
        /// The places.
        tried: String,
    },
    /// A frozen backbone has no weights.
    #[error(
        "experiment {id:?} does not train the backbone of its preset, so it needs pre-trained weights, and names none as \
         `weights` under [model]"
    )]
    NoWeights {
        /// The experiment.
        id: String,
    },
    /// A folder holds a finished run of another configuration.
    #[error("{} holds results of another configuration", folder.display())]
    OtherConfiguration {
        /// The run's folder.
        folder: PathBuf,
    },
    /// A folder holds a run, finished or not, and nobody asked to continue or replace it.
    #[error("{} holds a run already", folder.display())]
    RunExists {
        /// The run's folder.
        folder: PathBuf,
    },
    /// A checkpoint can't be resumed with these settings.
    #[error("{} was trained with another {what}", folder.display())]
    OtherTraining {
        /// The checkpoint.
        folder: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// A checkpoint can't be written; training stops, and the checkpoint before it is untouched.
    #[error("no checkpoint could be written ({cause}); the previous one is untouched in {}", folder.display())]
    CheckpointNotWritten {
        /// The folder of checkpoints.
        folder: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// The user asked to stop while a model was being trained.
    #[error("interrupted; a checkpoint is saved in {}", folder.display())]
    TrainingInterrupted {
        /// The folder of checkpoints.
        folder: PathBuf,
    },
}
