//! Which option helps with an error.

use fastersam::FasterSamError;
use fastersam_experiments::ExperimentError;
use fastersam_files::{LockError, OutputError};

/// What to do about an error, in the words of the command line; `None` where the error says all there is.
pub fn hint(error: &anyhow::Error) -> Option<&'static str> {
    if let Some(FasterSamError::WeightsNeeded { .. }) = error.chain().find_map(|cause| cause.downcast_ref()) {
        return Some("give the file, or the folder that it lies in, with --weights");
    }
    if let Some(FasterSamError::InvalidVoxels(_)) = error.chain().find_map(|cause| cause.downcast_ref()) {
        return Some("if that is as it should be, say so with --allow-invalid");
    }
    match error.chain().find_map(|cause| cause.downcast_ref::<OutputError>()) {
        Some(OutputError::Exists { .. }) => return Some("replace it with --overwrite"),
        Some(OutputError::IsInput { .. }) => return Some("name another output"),
        _ => {}
    }
    if let Some(LockError::Busy { .. }) = error.chain().find_map(|cause| cause.downcast_ref()) {
        return Some("wait until it ends, or name another folder with --output");
    }
    Some(match error.chain().find_map(|cause| cause.downcast_ref::<ExperimentError>())? {
        ExperimentError::NoDataFolder { .. } => "give the folder that the data sets lie in with --data",
        ExperimentError::WeightsNotFound { .. } => "give the folder that the weight files lie in with --weights",
        ExperimentError::NoWeights { .. } => "name the file there, or give it with --weights",
        ExperimentError::OtherConfiguration { .. } => {
            "name another folder with --output, or replace the run with --overwrite in place of --resume"
        }
        ExperimentError::OtherTraining { .. } => {
            "resume with the same experiment file and options, or name another folder with --output"
        }
        ExperimentError::RunExists { .. } => {
            "continue it with --resume, replace it with --overwrite, or name another folder with --output"
        }
        ExperimentError::CheckpointNotWritten { .. } => "make room on the disk, then continue with --resume",
        ExperimentError::TrainingInterrupted { .. } => "continue with --resume",
        _ => return None,
    })
}
