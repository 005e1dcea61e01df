//! Which option helps with an error.

use fastersam::FasterSamError;
use fastersam_experiments::ExperimentError;

/// What to do about an error, in the words of the command line; `None` where the error says all there is.
pub fn hint(error: &anyhow::Error) -> Option<&'static str> {
    if let Some(FasterSamError::WeightsNeeded { .. }) = error.chain().find_map(|cause| cause.downcast_ref()) {
        return Some("give the file, or the folder that it lies in, with --weights");
    }
    Some(match error.chain().find_map(|cause| cause.downcast_ref::<ExperimentError>())? {
        ExperimentError::NoDataFolder { .. } => "give the folder that the data sets lie in with --data",
        ExperimentError::WeightsNotFound { .. } => "give the folder that the weight files lie in with --weights",
        ExperimentError::NoWeights { .. } => "name the file there, or give it with --weights",
        ExperimentError::OtherConfiguration { .. } => {
            "leave --resume out to run it anew, or name another folder with --output"
        }
        ExperimentError::OtherTraining { .. } => {
            "resume with the same experiment file and options, or leave --resume out and name another folder with --output"
        }
        ExperimentError::CheckpointNotWritten { .. } => "make room on the disk, then continue with --resume",
        ExperimentError::TrainingInterrupted { .. } => "continue with --resume",
        _ => return None,
    })
}
