//! From a volume to its class map.

use burn::tensor::{Device, Tensor, TensorData};
use fastersam_kernels::{are_fused_on, resize_bilinear};
use fastersam_pausing_encoder::{EncoderConfig, PauseSettings, StageOutput};
use fastersam_volume::resample::{zoom_cubic, zoom_nearest};
use ndarray::{Array2, Array3, ArrayView2, ArrayViewMut3, ArrayViewMut4, Axis};
use rayon::prelude::*;
use tracing::info_span;

use crate::class_map::{class_map, class_probabilities};
use crate::error::FasterSamError;
use crate::model::ModelOutput;
use crate::prepacked::PrepackedModel;

/// Slices at a time, unless something else is asked for.
const BATCH_SIZE: usize = 8;

/// Segments volumes of gray values in [0, 1], slice by slice. [`Segmenter`](crate::Segmenter) segments scans with it.
#[derive(Clone, Debug)]
pub struct VolumeSegmenter {
    model: PrepackedModel,
    input_size: usize,
    batch_size: usize,
    device: Device,
}

/// Where the results of slices go.
pub(crate) struct Targets<'a> {
    /// Class maps, `[slices, rows, columns]`.
    pub classes: ArrayViewMut3<'a, u8>,
    /// Probabilities, `[class, slices, rows, columns]`, where they are wanted.
    pub probabilities: Option<ArrayViewMut4<'a, f32>>,
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

impl VolumeSegmenter {
    /// A segmenter that runs 8 slices at a time.
    #[must_use]
    pub fn new(model: PrepackedModel) -> Self {
        let (input_size, device) = (model.encoder_config().img_size, model.device());
        Self { model, input_size, batch_size: BATCH_SIZE, device }
    }

    /// The same with `batch_size` slices at a time.
    #[must_use]
    pub fn with_batch_size(self, batch_size: usize) -> Self {
        Self { batch_size: batch_size.max(1), ..self }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &PrepackedModel {
        &self.model
    }

    /// Segments a volume of gray values in [0, 1], `[slices, rows, columns]`, slice by slice.
    ///
    /// Each slice is resampled to the network's input (cubic), and its class map back (nearest), as the
    /// published pipelines do.
    ///
    /// # Errors
    /// Where the volume is empty or the pause settings don't fit the model.
    pub fn segment(&self, volume: &Array3<f32>, settings: &PauseSettings) -> Result<Segmentation, FasterSamError> {
        self.segment_with(volume, settings, |_| {})
    }

    /// [`segment`](Self::segment) that says after each batch how many slices it had.
    ///
    /// # Errors
    /// As [`segment`](Self::segment).
    pub fn segment_with(
        &self,
        volume: &Array3<f32>,
        settings: &PauseSettings,
        mut done: impl FnMut(usize),
    ) -> Result<Segmentation, FasterSamError> {
        let mut classes = Array3::zeros(volume.dim());
        let slices: Vec<ArrayView2<f32>> = volume.outer_iter().collect();
        let mut batches = slices.chunks(self.batch_size);
        let size = self.input_size;
        let next = |_| Ok(batches.next().map_or_else(Vec::new, |batch| resample(batch, size)));
        let targets = Targets { classes: classes.view_mut(), probabilities: None };
        let pauses = self.segment_batches(next, settings, targets, &mut done)?;
        Ok(Segmentation { classes, slices: pauses })
    }

    /// Segments slices that come batch after batch: `next` gives so many of them at network size, one after the other (see
    /// [`resample`]), and `targets` takes what is found.
    pub(crate) fn segment_batches(
        &self,
        mut next: impl FnMut(usize) -> Result<Vec<f32>, FasterSamError> + Send,
        settings: &PauseSettings,
        targets: Targets<'_>,
        done: &mut impl FnMut(usize),
    ) -> Result<Vec<SlicePauses>, FasterSamError> {
        let Targets { mut classes, mut probabilities } = targets;
        let (n_slices, rows, cols) = classes.dim();
        if n_slices == 0 || rows == 0 || cols == 0 {
            return Err(FasterSamError::Scan(format!("it is empty: {:?}", classes.dim())));
        }
        let mut pauses = Vec::with_capacity(n_slices);
        let mut pixels = next(self.batch_size.min(n_slices))?;
        let mut left = n_slices;
        let mut probabilities =
            probabilities.iter_mut().flat_map(|target| target.axis_chunks_iter_mut(Axis(1), self.batch_size));
        for target in classes.axis_chunks_iter_mut(Axis(0), self.batch_size) {
            let n = target.len_of(Axis(0));
            left -= n;
            let images = self.batch(std::mem::take(&mut pixels), n);
            // The next batch is read and resampled while this one is computed.
            let (output, resampled) = rayon::join(
                || self.model.forward(images, settings),
                || if left > 0 { next(self.batch_size.min(left)) } else { Ok(Vec::new()) },
            );
            pixels = resampled?;
            let ModelOutput { logits, stages, .. } = output?;
            if let Some(target) = probabilities.next() {
                self.write_probabilities(logits.clone(), target);
            }
            let small = self.class_maps(logits);
            pauses.extend(slice_pauses(&stages, n, self.model.encoder_config()));
            Self::to_native_size(&small, target);
            done(n);
        }
        Ok(pauses)
    }

    /// Brings the probabilities of a batch's classes to the size of its slices, `[class, slices, rows, columns]`, by the same
    /// way as the classes.
    fn write_probabilities(&self, logits: Tensor<4>, mut target: ArrayViewMut4<f32>) {
        let (n_classes, _, rows, cols) = target.dim();
        let [_, _, height, width] = logits.dims();
        let logits = logits.into_data().convert::<f32>();
        let logits = logits.as_slice::<f32>().unwrap_or_default();
        let images = logits.chunks_exact((n_classes * height * width).max(1));
        for (mut slice, image) in target.axis_iter_mut(Axis(1)).zip(images) {
            let found = class_probabilities(image, [height, width], self.input_size);
            let pairs: Vec<_> = found.iter().zip(slice.outer_iter_mut()).collect();
            pairs.into_par_iter().for_each(|(map, mut target)| {
                target.assign(&zoom_nearest(map.view(), [rows, cols]));
            });
        }
    }

    /// The images of a batch. Where each number of images would be a shape of its own to compile kernels for, blank ones fill
    /// it up.
    fn batch(&self, mut pixels: Vec<f32>, n: usize) -> Tensor<4> {
        if are_fused_on(&self.device) {
            return self.images(pixels, n);
        }
        pixels.resize(self.batch_size * self.input_size * self.input_size, 0.0);
        self.images(pixels, self.batch_size)
    }

    fn images(&self, pixels: Vec<f32>, n: usize) -> Tensor<4> {
        let s = self.input_size;
        Tensor::from_data(TensorData::new(pixels, [n, 1, s, s]), &self.device)
    }

    /// Slices at network size: `[b, 1, s, s]`.
    #[must_use]
    pub fn prepare(&self, slices: &[ArrayView2<f32>]) -> Tensor<4> {
        self.images(resample(slices, self.input_size), slices.len())
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
        let output = self.model.forward(images, settings)?;
        Ok((self.class_maps(output.logits), output.stages))
    }

    /// The class map of each image at network size from its logits `[b, n_classes, h, w]`.
    #[must_use]
    pub fn class_maps(&self, logits: Tensor<4>) -> Vec<Array2<u8>> {
        let _span = info_span!("class_map").entered();
        if !are_fused_on(&logits.device()) {
            return class_maps_on_device(logits, self.input_size);
        }
        let [_, n_classes, height, width] = logits.dims();
        let logits = logits.into_data().convert::<f32>();
        // f32 after the conversion.
        let logits = logits.as_slice::<f32>().unwrap_or_default();
        logits
            .par_chunks_exact((n_classes * height * width).max(1))
            .map(|image| class_map(image, [height, width], self.input_size))
            .collect()
    }

    /// Brings class maps to the size of a batch's slices `[slices, rows, columns]`, slice by slice.
    pub fn to_native_size(maps: &[Array2<u8>], mut target: ArrayViewMut3<u8>) {
        let _span = info_span!("native_size").entered();
        let (_, rows, cols) = target.dim();
        let pairs: Vec<_> = maps.iter().zip(target.outer_iter_mut()).collect();
        pairs.into_par_iter().for_each(|(map, mut slice)| {
            slice.assign(&zoom_nearest(map.view(), [rows, cols]));
        });
    }
}

/// The class map of each image, made where the logits lie: what is read back is a number a pixel.
fn class_maps_on_device(logits: Tensor<4>, size: usize) -> Vec<Array2<u8>> {
    let classes = resize_bilinear(logits, size).argmax(1).into_data();
    let classes: Vec<u8> = classes.iter::<i64>().map(|class| class as u8).collect();
    let maps = classes.chunks_exact((size * size).max(1));
    maps.filter_map(|map| Array2::from_shape_vec([size, size], map.to_vec()).ok()).collect()
}

/// Slices at `size` x `size` pixels, one after the other.
pub(crate) fn resample(slices: &[ArrayView2<f32>], size: usize) -> Vec<f32> {
    info_span!("resample")
        .in_scope(|| slices.par_iter().flat_map_iter(|slice| zoom_cubic(slice.view(), [size, size])).collect())
}

/// Where the tokens of each slice of a batch paused.
#[must_use]
pub fn slice_pauses(stages: &[StageOutput], n_slices: usize, config: &EncoderConfig) -> Vec<SlicePauses> {
    let n_tokens = config.n_tokens();
    let empty = SlicePauses { paused_at: vec![0; n_tokens], paused_class: vec![0; n_tokens] };
    let mut slices = vec![empty; n_slices];
    for stage in stages {
        // Points at which nothing could pause have no output.
        let Some(index) = config.pause_points.iter().position(|&point| point == stage.point) else {
            continue;
        };
        let at = u8::try_from(index + 1).unwrap_or(u8::MAX);
        let n_classes = stage.logits.dims()[1];
        let tokens = stage.read();
        let rows = tokens.rows.iter().zip(&tokens.kept).zip(tokens.logits.chunks_exact(n_classes));
        for ((&row, &kept), logits) in rows {
            if kept {
                continue;
            }
            let (slice, token) = (row as usize / n_tokens, row as usize % n_tokens);
            let class = (0..n_classes).fold(0, |best, c| if logits[c] > logits[best] { c } else { best });
            // Blank images that filled up the batch are no slices.
            if let Some(pauses) = slices.get_mut(slice) {
                pauses.paused_at[token] = at;
                pauses.paused_class[token] = class as u8;
            }
        }
    }
    slices
}
