//! Speed of the fused operations against compositions of burn's, on a stack of transformer blocks.
//!
//! Both are run alternately in one process, so that whatever else the machine does slows both; the
//! medians are compared. `cargo run --release -p fastersam-kernels --example blocks [rounds]`
#![allow(missing_docs, clippy::print_stdout)]
#![deny(clippy::undocumented_unsafe_blocks)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use fastersam_kernels::{
    GridPos, RaggedLayout, RelativePositions, generic, layer_norm, linear, linear_gelu, linear_residual,
    ragged_self_attention,
};

/// A stack of blocks on a batch of images.
struct Shape {
    name: &'static str,
    images: usize,
    /// Side of the token grid.
    grid: usize,
    embed_dim: usize,
    heads: usize,
    depth: usize,
    relative_positions: bool,
}

const SHAPES: [Shape; 4] = [
    Shape {
        name: "tiny, 8 x 64 tokens",
        images: 8,
        grid: 8,
        embed_dim: 96,
        heads: 4,
        depth: 6,
        relative_positions: false,
    },
    Shape {
        name: "ViT-S, 8 x 256 tokens",
        images: 8,
        grid: 16,
        embed_dim: 384,
        heads: 6,
        depth: 2,
        relative_positions: false,
    },
    Shape {
        name: "ViT-B, 1 x 196 tokens",
        images: 1,
        grid: 14,
        embed_dim: 768,
        heads: 12,
        depth: 3,
        relative_positions: true,
    },
    Shape {
        name: "ViT-B, 1 x 49 tokens",
        images: 1,
        grid: 7,
        embed_dim: 768,
        heads: 12,
        depth: 3,
        relative_positions: true,
    },
];

impl Shape {
    fn n_tokens(&self) -> usize {
        self.images * self.grid * self.grid
    }

    /// Multiply-adds of matrix products in one pass.
    fn macs(&self) -> f64 {
        let (n, d) = (self.n_tokens() as f64, self.embed_dim as f64);
        let keys = (self.grid * self.grid) as f64;
        let positions = if self.relative_positions { 2.0 * self.grid as f64 } else { 0.0 };
        self.depth as f64 * n * d * (12.0 * d + 2.0 * keys + positions)
    }
}

/// Any numbers of about the right size.
fn numbers<const D: usize>(shape: [usize; D], scale: f32, device: &Device) -> Tensor<D> {
    let mut state = 1_u32;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state as f32 / u32::MAX as f32 - 0.5) * scale
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

struct Block {
    norms: [[Tensor<1>; 2]; 2],
    qkv: Tensor<2>,
    proj: Tensor<2>,
    up: Tensor<2>,
    down: Tensor<2>,
    biases: [Tensor<1>; 4],
    tables: Option<RelativePositions>,
    heads: usize,
}

impl Block {
    fn new(shape: &Shape, device: &Device, trained: bool) -> Self {
        let d = shape.embed_dim;
        let track1 = |x: Tensor<1>| if trained { x.require_grad() } else { x };
        let track = |x: Tensor<2>| if trained { x.require_grad() } else { x };
        let weight = |k: usize, n: usize| track(numbers([k, n], 2.0 / (k as f32).sqrt(), device));
        let vector = |n: usize| track1(numbers([n], 0.1, device));
        let norm = || [track1(Tensor::ones([d], device)), vector(d)];
        let table = || numbers([2 * shape.grid - 1, d / shape.heads], 0.1, device);
        Self {
            norms: [norm(), norm()],
            qkv: weight(d, 3 * d),
            proj: weight(d, d),
            up: weight(d, 4 * d),
            down: weight(4 * d, d),
            biases: [vector(3 * d), vector(d), vector(4 * d), vector(d)],
            tables: shape.relative_positions.then(|| RelativePositions { height: table(), width: table() }),
            heads: shape.heads,
        }
    }

    fn fused(&self, x: Tensor<2>, layout: &Arc<RaggedLayout>) -> Tensor<2> {
        let bias = |i: usize| Some(self.biases[i].clone());
        let norm = |i: usize, x: Tensor<2>| {
            let [weight, bias] = self.norms[i].clone();
            layer_norm(x, weight, bias, 1e-6)
        };
        let qkv = linear(norm(0, x.clone()), self.qkv.clone(), bias(0));
        let attended = ragged_self_attention(qkv, layout, self.heads, self.tables.clone());
        let x = linear_residual(attended, self.proj.clone(), bias(1), x);
        let hidden = linear_gelu(norm(1, x.clone()), self.up.clone(), bias(2));
        linear_residual(hidden, self.down.clone(), bias(3), x)
    }

    fn generic(&self, x: Tensor<2>, layout: &Arc<RaggedLayout>) -> Tensor<2> {
        let bias = |i: usize| Some(self.biases[i].clone());
        let norm = |i: usize, x: Tensor<2>| {
            let [weight, bias] = self.norms[i].clone();
            generic::layer_norm(x, weight, bias, 1e-6)
        };
        let qkv = generic::linear(norm(0, x.clone()), self.qkv.clone(), bias(0));
        let attended = generic::ragged_self_attention(qkv, layout, self.heads, self.tables.clone());
        let x = generic::linear(attended, self.proj.clone(), bias(1)) + x;
        let hidden = generic::gelu(generic::linear(norm(1, x.clone()), self.up.clone(), bias(2)));
        generic::linear(hidden, self.down.clone(), bias(3)) + x
    }
}

/// Seconds of each run, in turns.
fn alternate(rounds: usize, runs: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    let mut times = vec![Vec::with_capacity(rounds); runs.len()];
    for round in 0..=rounds {
        for (run, times) in runs.iter_mut().zip(&mut times) {
            let start = Instant::now();
            run();
            // The first round warms up.
            if round > 0 {
                times.push(start.elapsed().as_secs_f64());
            }
        }
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    times.into_iter().map(median).collect()
}

/// `gemm` at 1024 cubed: what the machine reaches.
fn peak() -> impl FnMut() {
    const N: usize = 1024;
    let [a, b] = [1.0_f32, 2.0].map(|value| vec![value; N * N]);
    let mut c = vec![0.0_f32; N * N];
    move || {
        let n = N as isize;
        // SAFETY: all three hold N * N values.
        unsafe {
            let (a, b) = (a.as_ptr(), b.as_ptr());
            let parallelism = gemm::Parallelism::Rayon(0);
            gemm::gemm(
                N,
                N,
                N,
                c.as_mut_ptr(),
                1,
                n,
                false,
                a,
                1,
                n,
                b,
                1,
                n,
                0.0,
                1.0,
                false,
                false,
                false,
                parallelism,
            );
        }
        black_box(&mut c);
    }
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(15);
    println!("{} threads, median of {rounds} rounds", rayon::current_num_threads());
    for shape in &SHAPES {
        let n = shape.n_tokens();
        let per_image = shape.grid * shape.grid;
        let positions: Vec<GridPos> = (0..n)
            .map(|i| i % per_image)
            .map(|i| GridPos { row: (i / shape.grid) as u16, col: (i % shape.grid) as u16 })
            .collect();
        let layout = RaggedLayout::of_lengths(&vec![per_image; shape.images]);
        let layout = Arc::new(layout.with_positions(positions.clone(), positions));

        let device = Device::flex();
        let blocks: Vec<Block> = (0..shape.depth).map(|_| Block::new(shape, &device, false)).collect();
        let x = numbers([n, shape.embed_dim], 2.0, &device);
        let fused = || blocks.iter().fold(x.clone(), |x, block| block.fused(x, &layout));
        let generic = || blocks.iter().fold(x.clone(), |x, block| block.generic(x, &layout));
        let times = alternate(
            rounds,
            &mut [&mut || drop(black_box(fused())), &mut || drop(black_box(generic())), &mut peak()],
        );
        report(shape.name, "forward", shape.macs(), &times);

        let device = device.autodiff();
        let trained: Vec<Block> = (0..shape.depth).map(|_| Block::new(shape, &device, true)).collect();
        let x = numbers([n, shape.embed_dim], 2.0, &device);
        let fused = || {
            let y = trained.iter().fold(x.clone(), |x, block| block.fused(x, &layout));
            drop(black_box(y.sum().backward()));
        };
        let generic = || {
            let y = trained.iter().fold(x.clone(), |x, block| block.generic(x, &layout));
            drop(black_box(y.sum().backward()));
        };
        let times = alternate(rounds, &mut [&mut || fused(), &mut || generic(), &mut peak()]);
        report(shape.name, "forward and backward", 3.0 * shape.macs(), &times);
    }
}

fn report(name: &str, what: &str, macs: f64, times: &[f64]) {
    let rate = |seconds: f64| 2e-9 * macs / seconds;
    let peak = 2e-9 * 1024.0_f64.powi(3) / times[2];
    println!(
        "{name}, {what}: fused {:.2} ms ({:.0} GFLOP/s, {:.0} % of gemm's {peak:.0}), generic {:.2} \
         ms, {:.2} times as fast",
        1e3 * times[0],
        rate(times[0]),
        100.0 * rate(times[0]) / peak,
        1e3 * times[1],
        times[1] / times[0],
    );
}
