//! Numbers, comparisons and ragged layouts for the tests.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use fastersam_kernels::level::{current, levels, with_level};
use fastersam_kernels::{GridPos, RaggedLayout};

/// As close as two orders of summation come, relative to the largest value.
pub const TOLERANCE: f32 = 1e-5;

/// SplitMix64.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In -1..1.
    pub fn value(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn values(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.value()).collect()
    }

    pub fn tensor<const D: usize>(&mut self, shape: [usize; D], device: &Device) -> Tensor<D> {
        let values = self.values(shape.iter().product());
        Tensor::from_data(TensorData::new(values, shape), device)
    }
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().unwrap()
}

/// Panics where values differ by more than `tolerance` times the largest expected one. The terms are
/// of order one: where they cancel to less than a tenth, their rounding counts.
pub fn check_close(what: &str, computed: &[f32], expected: &[f32], tolerance: f32) {
    check_sums(what, computed, expected, tolerance, 1);
}

/// [`check_close`] for sums of `n_terms` terms of order one. Such sums are of order `sqrt(n_terms)`, and so is what
/// is rounded in them, also where a sum happens to be small.
fn check_sums(what: &str, computed: &[f32], expected: &[f32], tolerance: f32, n_terms: usize) {
    let least = 0.1 * (n_terms as f32).sqrt();
    assert_eq!(computed.len(), expected.len(), "{what}: number of values");
    let largest = expected.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
    for (i, (a, b)) in computed.iter().zip(expected).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * largest.max(least),
            "{what}: value {i} is {a}, expected {b} (largest {largest})"
        );
    }
}

/// Runs a test at every level that is to be tested; what it gives, level by level.
pub fn at_each_level<T: Send>(test: impl Fn() -> T + Sync) -> Vec<T> {
    levels().into_iter().map(|level| with_level(level, &test)).collect()
}

/// Compares an operation of some parameters with its composition, at every level: the result, and the gradient of
/// every parameter under a random weighting of the result. `tracked` says which have one.
pub fn check_operation<const D: usize>(
    what: &str,
    parameters: &[(Vec<f32>, Vec<usize>)],
    tracked: &[bool],
    fused: impl Fn(&[Tensor<2>]) -> Tensor<D> + Sync,
    generic: impl Fn(&[Tensor<2>]) -> Tensor<D>,
) {
    let run = |operation: &dyn Fn(&[Tensor<2>]) -> Tensor<D>, device: &Device| {
        let tensors: Vec<Tensor<2>> = parameters
            .iter()
            .zip(tracked)
            .map(|((values, shape), &tracked)| {
                let shape: [usize; 2] = shape.clone().try_into().unwrap();
                let data = TensorData::new(values.clone(), shape);
                let tensor = Tensor::from_data(data, device);
                if tracked { tensor.require_grad() } else { tensor }
            })
            .collect();
        let output = operation(&tensors);
        let result = values(output.clone());
        let weights = Numbers(99).tensor(output.dims(), device);
        let mut gradients = Vec::new();
        if tracked.iter().any(|&tracked| tracked) {
            let found = (output * weights).sum().backward();
            for (tensor, _) in tensors.iter().zip(tracked).filter(|(_, tracked)| **tracked) {
                gradients.push(tensor.grad(&found).map(values));
            }
        }
        (result, gradients)
    };
    // Without gradients, where memory may be reused.
    let run_plain = || {
        let tensors: Vec<Tensor<2>> = parameters
            .iter()
            .map(|(values, shape)| {
                let shape: [usize; 2] = shape.clone().try_into().unwrap();
                Tensor::from_data(TensorData::new(values.clone(), shape), &Device::flex())
            })
            .collect();
        values(fused(&tensors))
    };

    let device = Device::flex().autodiff();
    let (expected, expected_gradients) = run(&generic, &device);
    for level in levels() {
        let what = format!("{what}, {level}");
        let (plain, (result, gradients)) = with_level(level, || (run_plain(), run(&fused, &device)));
        assert_eq!(plain, result, "{what}: with and without gradients");
        check_close(&what, &result, &expected, TOLERANCE);
        // The gradient of a vector is a sum over the rows of the first parameter.
        let n_rows = parameters[0].1[0];
        let shapes = parameters.iter().zip(tracked).filter(|(_, tracked)| **tracked).map(|((_, shape), _)| shape);
        let n_terms = shapes.map(|shape| if shape[0] == 1 { n_rows } else { 1 });
        for (i, ((gradient, expected), n_terms)) in
            gradients.iter().zip(&expected_gradients).zip(n_terms).enumerate()
        {
            match (gradient, expected) {
                (Some(gradient), Some(expected)) => {
                    check_sums(&format!("{what}, gradient {i}"), gradient, expected, TOLERANCE, n_terms);
                }
                // A composition of no rows leaves out what does not matter.
                (Some(gradient), None) => assert!(gradient.iter().all(|&g| g == 0.0), "{what}, {i}"),
                (None, expected) => assert!(expected.is_none(), "{what}, gradient {i} is missing"),
            }
        }
    }
}

/// Sequences of the given numbers of queries and keys, with random positions on a grid.
pub fn layout(lengths: &[(usize, usize)], grid: [usize; 2], seed: u64) -> Arc<RaggedLayout> {
    let mut numbers = Numbers(seed);
    let (mut queries, mut keys) = (Vec::new(), Vec::new());
    for &(n_queries, n_keys) in lengths {
        let mut position = || GridPos { row: numbers.below(grid[0]) as u16, col: numbers.below(grid[1]) as u16 };
        queries.extend((0..n_queries).map(|_| position()));
        keys.extend((0..n_keys).map(|_| position()));
    }
    Arc::new(RaggedLayout::of_queries_and_keys(lengths.iter().copied()).with_positions(queries, keys))
}

/// Sequences of the given lengths whose queries are also their keys.
pub fn self_layout(lengths: &[usize], grid: [usize; 2], seed: u64) -> Arc<RaggedLayout> {
    let mut numbers = Numbers(seed);
    let positions: Vec<GridPos> = (0..lengths.iter().sum())
        .map(|_| GridPos { row: numbers.below(grid[0]) as u16, col: numbers.below(grid[1]) as u16 })
        .collect();
    Arc::new(RaggedLayout::of_lengths(lengths).with_positions(positions.clone(), positions))
}

/// Runs on a pool of that many threads, at this thread's level.
pub fn on_threads<T: Send>(n: usize, work: impl FnOnce() -> T + Send) -> T {
    let level = current();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    pool.install(|| with_level(level, work))
}
