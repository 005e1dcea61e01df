//! Slices at network size, in batches, prepared ahead by worker threads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use fastersam_volume::KeyedRng;
use fastersam_volume::resample::{zoom_cubic, zoom_nearest};
use ndarray::{Array2, ArrayView2, Axis};

use crate::augment::Augmentation;
use crate::case::Case;

/// Purposes that keep the draws of this module apart from each other.
const ORDER: u64 = 1;
const AUGMENT: u64 = 2;

/// One slice at network size.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Gray values, row by row, `size * size`. Cubic resampling may leave [0, 1] a little.
    pub image: Vec<f32>,
    /// Classes, row by row.
    pub label: Vec<u8>,
}

/// Several samples, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Index of each slice in the [`SliceSet`].
    pub slices: Vec<usize>,
    /// `[b, size, size]`
    pub images: Vec<f32>,
    /// `[b, size, size]`
    pub labels: Vec<u8>,
}

/// All slices of some cases.
#[derive(Clone, Debug)]
pub struct SliceSet {
    cases: Arc<Vec<Case>>,
    /// (case, slice) of each slice.
    index: Vec<(usize, usize)>,
    input_size: usize,
}

impl SliceSet {
    /// All slices of the cases, at `input_size` x `input_size` pixels.
    #[must_use]
    pub fn new(cases: Arc<Vec<Case>>, input_size: usize) -> Self {
        let index = cases
            .iter()
            .enumerate()
            .flat_map(|(c, case)| (0..case.image.len_of(Axis(0))).map(move |slice| (c, slice)))
            .collect();
        Self { cases, index, input_size }
    }

    /// Number of slices.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no slice.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// What a slice is called: its case and its number.
    #[must_use]
    pub fn name(&self, slice: usize) -> String {
        self.index.get(slice).map_or_else(String::new, |&(case, at)| format!("{} slice {at}", self.cases[case].id))
    }

    /// The order of the slices in an epoch.
    #[must_use]
    pub fn order(&self, seed: u64, epoch: usize) -> Vec<usize> {
        KeyedRng::new(seed, &[ORDER, epoch as u64]).permutation(self.len())
    }

    /// One slice at network size; augmented where `augment` gives (seed, epoch).
    ///
    /// Augmentation works at the native size, then image and label are resampled with orders 3 and 0,
    /// as in `TransUNet`'s code. The draws depend on seed, epoch and slice only.
    #[must_use]
    pub fn sample(&self, slice: usize, augment: Option<(u64, usize)>) -> Sample {
        let (case, at) = self.index[slice];
        let case = &self.cases[case];
        let image = case.image.index_axis(Axis(0), at);
        let label = case.label.index_axis(Axis(0), at);
        let Some((seed, epoch)) = augment else {
            return to_size(image, label, self.input_size);
        };
        let mut rng = KeyedRng::new(seed, &[AUGMENT, epoch as u64, slice as u64]);
        let augmentation = Augmentation::draw(&mut rng);
        let image = augmentation.apply(image);
        to_size(image.view(), augmentation.apply(label).view(), self.input_size)
    }

    /// Several slices as one batch.
    #[must_use]
    pub fn batch(&self, slices: &[usize], augment: Option<(u64, usize)>) -> Batch {
        let mut batch = Batch { slices: slices.to_vec(), images: Vec::new(), labels: Vec::new() };
        for &slice in slices {
            let sample = self.sample(slice, augment);
            batch.images.extend(sample.image);
            batch.labels.extend(sample.label);
        }
        batch
    }
}

fn to_size(image: ArrayView2<f32>, label: ArrayView2<u8>, size: usize) -> Sample {
    let image = zoom_cubic(image, [size, size]);
    let label = zoom_nearest(label, [size, size]);
    let flat = |array: Array2<f32>| array.into_iter().collect();
    Sample { image: flat(image), label: label.into_iter().collect() }
}

/// Batches of one epoch in order, prepared ahead by threads of its own.
///
/// What it gives does not depend on the number of threads.
#[derive(Debug)]
pub struct BatchLoader {
    receiver: Receiver<(usize, Batch)>,
    early: BTreeMap<usize, Batch>,
    next: usize,
    n_batches: usize,
}

impl BatchLoader {
    /// Loads the batches `first..` of `order` cut into pieces of `batch_size`; a last piece that is
    /// smaller is dropped, unless it is the only one.
    #[must_use]
    pub fn new(
        set: &SliceSet,
        order: Vec<usize>,
        batch_size: usize,
        first: usize,
        augment: Option<(u64, usize)>,
        n_threads: usize,
    ) -> Self {
        let n_batches = Self::n_batches(order.len(), batch_size);
        // The bound keeps the threads from running far ahead of the consumer.
        let (sender, receiver) = sync_channel(2 * n_threads.max(1));
        let ticket = Arc::new(AtomicUsize::new(first));
        let order = Arc::new(order);
        for _ in 0..n_threads.max(1) {
            let (set, order) = (set.clone(), Arc::clone(&order));
            let (ticket, sender) = (Arc::clone(&ticket), sender.clone());
            thread::spawn(move || {
                loop {
                    let i = ticket.fetch_add(1, Ordering::Relaxed);
                    if i >= n_batches {
                        break;
                    }
                    let end = ((i + 1) * batch_size).min(order.len());
                    let batch = set.batch(&order[i * batch_size..end], augment);
                    // The consumer is gone: nobody wants the rest.
                    if sender.send((i, batch)).is_err() {
                        break;
                    }
                }
            });
        }
        Self { receiver, early: BTreeMap::new(), next: first, n_batches }
    }

    /// Number of batches of an epoch.
    #[must_use]
    pub fn n_batches(n_slices: usize, batch_size: usize) -> usize {
        if n_slices == 0 { 0 } else { (n_slices / batch_size.max(1)).max(1) }
    }
}

impl Iterator for BatchLoader {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        if self.next >= self.n_batches {
            return None;
        }
        loop {
            if let Some(batch) = self.early.remove(&self.next) {
                self.next += 1;
                return Some(batch);
            }
            let (i, batch) = self.receiver.recv().ok()?;
            self.early.insert(i, batch);
        }
    }
}
