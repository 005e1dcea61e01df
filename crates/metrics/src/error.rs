//! What the metrics refuse.

use thiserror::Error;

/// Input that no metric is defined for.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// The number of elements does not fit the shape.
    #[error("{found} labels for a volume of shape {shape:?}, which has {expected}")]
    Length {
        /// The shape.
        shape: Vec<usize>,
        /// Its number of elements.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// Not two or three axes, or an axis of length 0.
    #[error("a volume of shape {0:?}; two or three axes of length 1 or more are needed")]
    Shape(Vec<usize>),
    /// Prediction and truth have different shapes.
    #[error("the prediction has the shape {prediction:?}, the truth {truth:?}")]
    ShapeMismatch {
        /// Shape of the prediction.
        prediction: Vec<usize>,
        /// Shape of the truth.
        truth: Vec<usize>,
    },
    /// A spacing that is no distance, or one for another number of axes.
    #[error("the spacing {spacing:?} does not fit a volume of shape {shape:?}")]
    Spacing {
        /// The spacing.
        spacing: Vec<f64>,
        /// The shape.
        shape: Vec<usize>,
    },
    /// More classes than the bytes of a label map can tell apart.
    #[error("{0} classes; the bytes of a label map tell 256 apart, background among them")]
    Classes(usize),
    /// Two runs that were not scored on the same cases.
    #[error("the runs can't be paired: {0}")]
    Unpaired(String),
}
