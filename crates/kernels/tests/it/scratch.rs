use std::time::Instant;
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{Linear, WeightPrecision};
use crate::support::{Numbers, at_each_level};
#[test]
#[ignore]
fn speed() {
    let device = Device::flex();
    let mut numbers = Numbers(3);
    for (m, k, n) in [(196, 768, 3072), (196, 3072, 768), (1568, 768, 3072), (1568, 3072, 768), (20, 768, 3072)] {
        let plain = Linear::from_parts(numbers.tensor([k, n], &device), Some(numbers.tensor([n], &device)));
        let x: Tensor<2> = numbers.tensor([m, k], &device);
        at_each_level(|| {
            let mut line = format!("{} {m}x{k}x{n}:", fastersam_kernels::level::current());
            for precision in WeightPrecision::ALL {
                let mut layer = plain.clone();
                layer.prepack_as(precision);
                let mut best = f64::MAX;
                for _ in 0..12 {
                    let start = Instant::now();
                    let y = layer.forward(x.clone());
                    std::hint::black_box(&y);
                    best = best.min(start.elapsed().as_secs_f64());
                }
                line += &format!(" {precision} {:.2} ms {:.0} GMAC/s", best * 1e3, (m * k * n) as f64 / best / 1e9);
            }
            println!("{line}");
        });
    }
}
