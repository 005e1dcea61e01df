//! `segment_anything`'s `ImageEncoderViT`, block by block, and at other input sizes.

use burn::tensor::{Device, Tensor};
use fastersam_device::{of_tests, tolerance_factor};
use fastersam_golden::{Comparison, Fixture, fixture, has};
use fastersam_pausing_encoder::position::{resize_abs_pos, resize_rel_pos};
use fastersam_pausing_encoder::{PauseSettings, PausingEncoder};

use crate::support::{golden_config, tensor, values, with_fixture_weights};

fn image(fixture: &Fixture, key: &str, device: &Device) -> Tensor<4> {
    let array = fixture.get(key);
    tensor(array.image(), array.dims(), device)
}

fn never(encoder: &PausingEncoder, images: &Tensor<4>) -> (Vec<f32>, Vec<f32>) {
    let output = encoder.forward(images.clone(), None, &PauseSettings::never()).unwrap();
    (values(&output.tokens), values(&output.embedding))
}

#[test]
fn golden_sam_encoder_block_by_block() {
    if !has(&["config.json", "tolerances.json"]) {
        return;
    }
    let Some(fixture) = fixture("sam_encoder") else { return };
    let device = of_tests();
    let images = image(&fixture, "input.image_u8", &device);
    let config = golden_config(images.dims()[3]);
    let encoder = with_fixture_weights(config.init(&device), &fixture, "image_encoder.");

    println!("ragged");
    let mut comparison = Comparison::new("sam_encoder").relaxed(tolerance_factor());
    for depth in 0..=config.depth {
        let mut cut = encoder.clone();
        cut.blocks.truncate(depth);
        let (tokens, embedding) = never(&cut, &images);
        let key = match depth {
            0 => "output.tokens_embed".to_owned(),
            _ => format!("output.block_{}", depth - 1),
        };
        comparison.check(&fixture, &key, &tokens);
        if depth == config.depth {
            comparison.check(&fixture, "output.neck", &embedding);
        }
    }
    comparison.finish();

    println!("dense");
    let mut comparison = Comparison::new("sam_encoder").relaxed(tolerance_factor());
    let dense = encoder.forward_dense(images, None).unwrap();
    comparison.check(&fixture, "output.tokens_embed", &values(&dense.tokens_embed));
    for (i, block) in dense.blocks.iter().enumerate() {
        comparison.check(&fixture, &format!("output.block_{i}"), &values(block));
    }
    comparison.check(&fixture, "output.neck", &values(&dense.embedding));
    comparison.finish();
}

#[test]
fn golden_sam_encoder_resized() {
    if !has(&["config.json", "tolerances.json"]) {
        return;
    }
    let (Some(trained), Some(fixture)) = (fixture("sam_encoder"), fixture("sam_encoder_resized")) else {
        return;
    };
    let device = of_tests();
    let trained_size = trained.get("input.image_u8").dims::<4>()[3];
    let mut comparison = Comparison::new("sam_encoder_resized").relaxed(tolerance_factor());
    for size in fastersam_golden::config()["resized_img_sizes"].as_array().unwrap() {
        let size = usize::try_from(size.as_u64().unwrap()).unwrap();
        let config = golden_config(size);
        let (from, to) = (trained_size / config.patch_size, config.grid());
        let d = config.embed_dim;

        // Weights of the trained size; then the tables that another size needs.
        let loaded = golden_config(trained_size).init(&device);
        let loaded = with_fixture_weights(loaded, &trained, "image_encoder.");
        let mut encoder = config.init(&device);
        encoder.patch_embed = loaded.patch_embed.clone();
        encoder.neck = loaded.neck.clone();
        encoder.blocks.clone_from(&loaded.blocks);
        let prefix = format!("output.size_{size}.");

        let table = resize_abs_pos(&values(&loaded.pos_embed.val()), from, to, d);
        comparison.check(&fixture, &format!("{prefix}image_encoder.pos_embed"), &table);
        encoder.pos_embed = burn::module::Param::from_tensor(tensor(table, [1, to, to, d], &device));
        for (i, block) in encoder.blocks.iter_mut().enumerate() {
            if config.window_of(i).is_some() {
                continue;
            }
            for (name, param) in
                [("rel_pos_h", &mut block.attn.rel_pos_h), ("rel_pos_w", &mut block.attn.rel_pos_w)]
            {
                let table = param.as_ref().unwrap().val();
                let [rows, head_dim] = table.dims();
                let table = resize_rel_pos(&values(&table), rows, 2 * to - 1, head_dim);
                let key = format!("{prefix}image_encoder.blocks.{i}.attn.{name}");
                if fixture.contains(&key) {
                    comparison.check(&fixture, &key, &table);
                }
                let table = tensor(table, [2 * to - 1, head_dim], &device);
                *param = Some(burn::module::Param::from_tensor(table));
            }
        }

        let images = image(&fixture, &format!("input.size_{size}.image_u8"), &device);
        let (tokens, embedding) = never(&encoder, &images);
        comparison.check(&fixture, &format!("{prefix}last_block"), &tokens);
        comparison.check(&fixture, &format!("{prefix}neck"), &embedding);
        encoder.blocks.clear();
        let (tokens, _) = never(&encoder, &images);
        comparison.check(&fixture, &format!("{prefix}tokens_embed"), &tokens);
    }
    comparison.finish();
}
