use burn::module::Module;
use burn::tensor::Device;
use fastersam_adapter::{BottleneckAdapterConfig, ChannelGateAdapterConfig, MsaAdaptersConfig};

use crate::{assert_close, filled, floats, tensor, without_gradient};

#[test]
fn bottleneck_starts_as_zero_and_learns() {
    let device = Device::flex().autodiff();
    let adapter = BottleneckAdapterConfig { embed_dim: 24, hidden_dim: 6 }.init(&device);
    let x = tensor([5, 24], 1, &device);
    assert_eq!(floats(adapter.forward(x.clone())), vec![0.0; 5 * 24]);
    assert_eq!(floats(adapter.forward_with_skip(x.clone())), floats(x.clone()));
    // The zero up-projection gets a gradient at once, the rest after it moved.
    let loss = adapter.forward(x.clone()).sum();
    let lacking = without_gradient(&adapter, loss);
    assert_eq!(lacking, [vec![24, 6], vec![6]]);
    let adapter = filled(adapter);
    let loss = adapter.forward(x).square().sum();
    assert!(without_gradient(&adapter, loss).is_empty());
}

#[test]
fn bottleneck_has_the_usual_size() {
    let adapter = BottleneckAdapterConfig { embed_dim: 768, hidden_dim: 192 }.init(&Device::flex());
    assert_eq!(adapter.num_params(), 2 * 768 * 192 + 768 + 192);
}

#[test]
fn msa_adapts_with_skip_and_at_half_scale() {
    let device = Device::flex();
    let adapters = filled(MsaAdaptersConfig { embed_dim: 24, hidden_dim: 6 }.init(&device));
    let x = tensor([5, 24], 2, &device);
    let space = floats(adapters.space.forward(x.clone()));
    let after: Vec<f32> = floats(x.clone()).iter().zip(&space).map(|(x, y)| x + y).collect();
    assert_close(&floats(adapters.after_attention(x.clone())), &after, 1e-6);
    let half: Vec<f32> = floats(adapters.mlp.forward(x.clone())).iter().map(|y| y / 2.0).collect();
    assert_close(&floats(adapters.parallel_to_mlp(x)), &half, 1e-7);
}

#[test]
fn point_wise_adapters_follow_a_permutation() {
    let device = Device::flex();
    let adapters = filled(MsaAdaptersConfig { embed_dim: 24, hidden_dim: 6 }.init(&device));
    let x = tensor([9, 24], 3, &device);
    let run = |x| floats(adapters.parallel_to_mlp(adapters.after_attention(x)));
    let (forwards, backwards) = (run(x.clone()), run(x.flip([0])));
    for row in 0..9 {
        let other = 8 - row;
        assert_eq!(forwards[row * 24..(row + 1) * 24], backwards[other * 24..(other + 1) * 24], "row {row}");
    }
}

#[test]
fn channel_gate_follows_its_definition() {
    // Against the definition, spelt out in plain loops.
    let device = Device::flex();
    let (b, grid, d, hidden) = (2, 5, 8, 3);
    let config = ChannelGateAdapterConfig { embed_dim: d, hidden_dim: hidden };
    let adapter = filled(config.init(&device));
    let x = tensor([b * grid * grid, d], 4, &device);
    let ours = floats(adapter.forward(x.clone(), grid));

    let x = floats(x);
    let (squeeze, excite) = (floats(adapter.squeeze.weight.val()), floats(adapter.excite.weight.val()));
    let (down, up) = (floats(adapter.down.weight.val()), floats(adapter.up.weight.val()));
    let (scale, shift) = (floats(adapter.norm.weight.val()), floats(adapter.norm.bias.val()));
    let half = grid.div_ceil(2);
    let mut expected = Vec::new();
    for image in 0..b {
        let at = |row: usize, col: usize, c: usize| x[((image * grid + row) * grid + col) * d + c];
        let mean = |c| (0..grid * grid).map(|i| at(i / grid, i % grid, c)).sum::<f32>() / (grid * grid) as f32;
        let hid: Vec<f32> =
            (0..hidden).map(|h| (0..d).map(|c| mean(c) * squeeze[c * hidden + h]).sum::<f32>().max(0.0)).collect();
        let gate: Vec<f32> = (0..d)
            .map(|c| {
                let z: f32 = (0..hidden).map(|h| hid[h] * excite[h * d + c]).sum();
                1.0 / (1.0 + (-z).exp())
            })
            .collect();
        let mut small = vec![0.0; d * half * half];
        for (i, value) in small.iter_mut().enumerate() {
            let (out, row, col) = (i / (half * half), i / half % half, i % half);
            for c in 0..d {
                for k in 0..9 {
                    let (r, q) = (2 * row + k / 3, 2 * col + k % 3);
                    if (1..=grid).contains(&r) && (1..=grid).contains(&q) {
                        *value += down[(out * d + c) * 9 + k] * gate[c] * at(r - 1, q - 1, c);
                    }
                }
            }
            *value = f32::max(*value, 0.0);
        }
        let mut large = vec![0.0; d * grid * grid];
        for c in 0..d {
            for i in 0..half * half {
                for out in 0..d {
                    for k in 0..16 {
                        let (r, q) = (2 * (i / half) + k / 4, 2 * (i % half) + k % 4);
                        if (1..=grid).contains(&r) && (1..=grid).contains(&q) {
                            large[(out * grid + r - 1) * grid + q - 1] +=
                                small[c * half * half + i] * up[(c * d + out) * 16 + k];
                        }
                    }
                }
            }
        }
        for row in 0..grid {
            for col in 0..grid {
                let y: Vec<f32> =
                    (0..d).map(|c| at(row, col, c) + large[(c * grid + row) * grid + col].max(0.0)).collect();
                let mean = y.iter().sum::<f32>() / d as f32;
                let variance = y.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / d as f32;
                expected.extend((0..d).map(|c| (y[c] - mean) / (variance + 1e-5).sqrt() * scale[c] + shift[c]));
            }
        }
    }
    assert_close(&ours, &expected, 2e-5);
}

#[test]
fn channel_gate_mixes_tokens_and_learns() {
    let device = Device::flex().autodiff();
    let (grid, d) = (4, 8);
    let adapter = filled(ChannelGateAdapterConfig { embed_dim: d, hidden_dim: 2 }.init(&device));
    let x = tensor([2 * grid * grid, d], 5, &device);
    let before = floats(adapter.forward(x.clone(), grid));
    let mut changed = floats(x.clone());
    changed[0] += 1.0;
    let data = burn::tensor::TensorData::new(changed, [2 * grid * grid, d]);
    let after = floats(adapter.forward(burn::tensor::Tensor::from_data(data, &device), grid));
    let n = grid * grid * d;
    // Another token of the image moves with it: the reason for `is_point_wise` being false.
    assert!(before[n - d..n] != after[n - d..n]);
    assert_eq!(before[n..], after[n..], "the other image");
    let loss = adapter.forward(x.clone(), grid) * tensor([2 * grid * grid, d], 6, &device);
    assert!(without_gradient(&adapter, loss.sum()).is_empty());
}

#[test]
fn channel_gate_keeps_odd_grids() {
    let device = Device::flex();
    let adapter = ChannelGateAdapterConfig { embed_dim: 8, hidden_dim: 2 }.init(&device);
    for grid in [1, 2, 7, 14] {
        let y = adapter.forward(tensor([grid * grid, 8], 7, &device), grid);
        assert_eq!(y.dims(), [grid * grid, 8]);
    }
}
