//! Bilinear resizing as two matrix products.
//!
//! Equal to `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`: resizing is
//! linear and separable, so it is `rows * map * columns` with two constant matrices. On the CPU
//! this is several times as fast as a gather-based resize, forward and backward.

use burn::tensor::{Device, Tensor, TensorData};

/// The matrix `[n_in, n_out]` that resizes one axis.
fn axis_matrix(n_in: usize, n_out: usize, device: &Device) -> Tensor<2> {
    let mut weights = vec![0.0_f32; n_in * n_out];
    let scale = n_in as f64 / n_out as f64;
    for out in 0..n_out {
        let source = ((out as f64 + 0.5) * scale - 0.5).max(0.0);
        let low = (source.floor() as usize).min(n_in - 1);
        let high = (low + 1).min(n_in - 1);
        let part = (source - low as f64) as f32;
        weights[low * n_out + out] += 1.0 - part;
        weights[high * n_out + out] += part;
    }
    Tensor::from_data(TensorData::new(weights, [n_in, n_out]), device)
}

/// Resizes `[b, c, h, w]` to `[b, c, size, size]` (bilinear, align_corners false, no antialias).
#[must_use]
pub fn resize_bilinear(map: Tensor<4>, size: usize) -> Tensor<4> {
    let [b, c, h, w] = map.dims();
    if (h, w) == (size, size) || h == 0 || w == 0 {
        return map;
    }
    let device = map.device();
    let columns = axis_matrix(w, size, &device);
    let rows = axis_matrix(h, size, &device);
    // [b c h, w] x [w, s], then per plane [s, h] x [h, s].
    let wide = map.reshape([b * c * h, w]).matmul(columns).reshape([b * c, h, size]);
    let rows = rows.transpose().unsqueeze_dim::<3>(0).expand([b * c, size, h]);
    rows.matmul(wide).reshape([b, c, size, size])
}
