//! The machine's matrix peak: `gemm` on one large square product and on those of ViT-B.

use std::time::Instant;

use gemm::Parallelism;

/// Rows, depth and columns of each product: a cube, then query-key-value, projection, and the two layers
/// of the MLP at 196 tokens.
pub const SHAPES: [[usize; 3]; 5] =
    [[1024, 1024, 1024], [196, 768, 2304], [196, 768, 768], [196, 768, 3072], [196, 3072, 768]];

/// One product, ready to run.
pub struct Product {
    /// Rows, depth, columns.
    pub shape: [usize; 3],
    a: Vec<f32>,
    b: Vec<f32>,
    target: Vec<f32>,
}

impl Product {
    /// Row-major matrices of small numbers.
    pub fn new(shape: [usize; 3]) -> Self {
        let [m, k, n] = shape;
        let filled = |len: usize| (0..len).map(|i| (i % 13) as f32 * 0.01).collect();
        Self { shape, a: filled(m * k), b: filled(k * n), target: vec![0.0; m * n] }
    }

    /// Runs the product once on all threads; gives its seconds.
    pub fn pass(&mut self) -> f64 {
        let [m, k, n] = self.shape;
        let started = Instant::now();
        #[allow(unsafe_code, reason = "the one call of `gemm`, to see how fast the machine can be")]
        // SAFETY: the three buffers hold `m * k`, `k * n` and `m * n` values, row after row.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                self.target.as_mut_ptr(),
                1,
                n as isize,
                false,
                self.a.as_ptr(),
                1,
                k as isize,
                self.b.as_ptr(),
                1,
                n as isize,
                0.0,
                1.0,
                false,
                false,
                false,
                Parallelism::Rayon(0),
            );
        }
        std::hint::black_box(&self.target);
        started.elapsed().as_secs_f64()
    }
}
