//! From a volume to its class map.

use burn::tensor::{Device, Tensor, TensorData};
use fastersam_datasets::resample::{zoom_cubic, zoom_nearest};
use fastersam_kernels::resize_bilinear;
use fastersam_pausing_encoder::{EncoderConfig, PauseSettings, StageOutput};
use ndarray::{Array2, Array3, ArrayView2, Axis};

use crate::config::ModelConfig;
use crate::error::FasterSamError;
use crate::model::FasterSam;

/// Segments slices and volumes with a model.
#[derive(Debug)]
pub struct Segmenter<'a> {
    model: &'a FasterSam,
    input_size: usize,
    batch_size: usize,
    device: Device,
}

/// The class map of a volume and where its tokens paused.
#[derive(Clone, Debug)]
pub struct Segmentation {
    /// `[slices, rows, columns]`, the shape of the input.
    pub classes: Array3<u8>,
    /// What happened to the tokens of each slice.
    pub slices: Vec<SlicePauses>,
}

/// What happened to the tokens of one slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlicePauses {
    /// For each token, row after row: 0 where it never paused, `k` where it paused at the `k`-th pause
    /// point (from 1).
    pub paused_at: Vec<u8>,
    /// The class that the pausing head gave to each paused token; 0 for the others.
    pub paused_class: Vec<u8>,
}

impl<'a> Segmenter<'a> {
    /// A segmenter that runs `batch_size` slices at a time.
    #[must_use]
    pub fn new(model: &'a FasterSam, config: &ModelConfig, batch_size: usize, device: Device) -> Self {
        Self { model, input_size: config.input_size(), batch_size: batch_size.max(1), device }
    }

    /// Segments a volume of gray values in [0, 1], `[slices, rows, columns]`, slice by slice.
    ///
    /// Each slice is resampled to the network's input (cubic), and its class map back (nearest), as the
    /// published pipelines do.
    ///
    /// # Errors
    /// Where the volume is empty or the pause settings don't fit the model.
    pub fn segment(
        &self,
        volume: &Array3<f32>,
        settings: &PauseSettings,
    ) -> Result<Segmentation, FasterSamError> {
        let (n_slices, rows, cols) = volume.dim();
        if n_slices == 0 || rows == 0 || cols == 0 {
            return Err(FasterSamError::Scan(format!("it is empty: {:?}", volume.dim())));
        }
        let mut classes = Array3::zeros(volume.dim());
        let mut pauses = Vec::with_capacity(n_slices);
        for start in (0..n_slices).step_by(self.batch_size) {
            let end = (start + self.batch_size).min(n_slices);
            let slices: Vec<ArrayView2<f32>> =
                (start..end).map(|slice| volume.index_axis(Axis(0), slice)).collect();
            let images = self.prepare(&slices);
            let (small, stages) = self.classify(images, settings)?;
            pauses.extend(slice_pauses(&stages, end - start, self.model.encoder.config()));
            for (i, small) in small.into_iter().enumerate() {
                let full = zoom_nearest(small.view(), [rows, cols]);
                classes.index_axis_mut(Axis(0), start + i).assign(&full);
            }
        }
        Ok(Segmentation { classes, slices: pauses })
    }

    /// Slices at network size: `[b, 1, s, s]`.
    #[must_use]
    pub fn prepare(&self, slices: &[ArrayView2<f32>]) -> Tensor<4> {
        let s = self.input_size;
        let values: Vec<f32> =
            slices.iter().flat_map(|slice| zoom_cubic(slice.view(), [s, s])).collect();
        Tensor::from_data(TensorData::new(values, [slices.len(), 1, s, s]), &self.device)
    }

    /// The class map of each image at network size.
    ///
    /// # Errors
    /// Where images or pause settings don't fit the model.
    pub fn classify(
        &self,
        images: Tensor<4>,
        settings: &PauseSettings,
    ) -> Result<(Vec<Array2<u8>>, Vec<StageOutput>), FasterSamError> {
        let s = self.input_size;
        let output = self.model.forward(images, settings)?;
        let logits = resize_bilinear(output.logits, s);
        let [b, n_classes, _, _] = logits.dims();
        let logits = logits.into_data().convert::<f32>();
        // f32 after the conversion.
        let logits = logits.as_slice::<f32>().unwrap_or_default();
        let maps = logits
            .chunks_exact(n_classes * s * s)
            .take(b)
            .map(|image| largest(image, n_classes, s))
            .collect();
        Ok((maps, output.stages))
    }
}

/// The class with the largest logit of every pixel; the first one of equals.
fn largest(logits: &[f32], n_classes: usize, size: usize) -> Array2<u8> {
    let pixels = size * size;
    let mut best = logits[..pixels].to_vec();
    let mut classes = vec![0_u8; pixels];
    for class in 1..n_classes {
        let plane = &logits[class * pixels..(class + 1) * pixels];
        for ((best, winner), &value) in best.iter_mut().zip(&mut classes).zip(plane) {
            if value > *best {
                *best = value;
                *winner = class as u8;
            }
        }
    }
    Array2::from_shape_fn((size, size), |(row, col)| classes[row * size + col])
}

/// Where the tokens of each slice of a batch paused.
#[must_use]
pub fn slice_pauses(
    stages: &[StageOutput],
    n_slices: usize,
    config: &EncoderConfig,
) -> Vec<SlicePauses> {
    let n_tokens = config.n_tokens();
    let empty = SlicePauses { paused_at: vec![0; n_tokens], paused_class: vec![0; n_tokens] };
    let mut slices = vec![empty; n_slices];
    for stage in stages {
        // Points at which nothing could pause have no output.
        let Some(index) = config.pause_points.iter().position(|&point| point == stage.point) else {
            continue;
        };
        let at = index as u8 + 1;
        let n_classes = stage.logits.dims()[1];
        let logits = stage.logits.clone().into_data().convert::<f32>();
        let logits = logits.as_slice::<f32>().unwrap_or_default();
        let rows = stage.rows.iter().zip(&stage.kept).zip(logits.chunks_exact(n_classes));
        for ((&row, &kept), logits) in rows {
            if kept {
                continue;
            }
            let (slice, token) = (row as usize / n_tokens, row as usize % n_tokens);
            let class =
                (0..n_classes).fold(0, |best, c| if logits[c] > logits[best] { c } else { best });
            slices[slice].paused_at[token] = at;
            slices[slice].paused_class[token] = class as u8;
        }
    }
    slices
}
