//! Which devices there are.

use burn::tensor::Device;
use serde::Serialize;

use crate::backend::Backend;
use crate::precision::Precision;

/// A device, or why a backend has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceEntry {
    /// What `open` takes.
    pub name: String,
    /// The hardware, as it names itself; nothing where that isn't known.
    pub hardware: Option<String>,
    /// Why it can't be used; nothing where it can.
    pub missing: Option<String>,
}

impl DeviceEntry {
    /// The hardware, or why it can't be used, in words.
    #[must_use]
    pub fn state(&self) -> String {
        match (&self.missing, &self.hardware) {
            (Some(reason), _) => format!("not usable: {reason}"),
            (None, Some(hardware)) => hardware.clone(),
            (None, None) => "usable".to_owned(),
        }
    }
}

/// The devices of every backend; a backend without one has an entry that says why.
#[must_use]
pub fn list() -> Vec<DeviceEntry> {
    Backend::ALL.into_iter().flat_map(entries).collect()
}

/// A device for a record: its name; for one that is not this CPU's own backend, with hardware and precision:
/// `cuda:0 (NVIDIA H100, bf16)`.
#[must_use]
pub fn described(name: &str, device: &Device, precision: Precision) -> String {
    let kind = name.split(':').next().unwrap_or_default();
    match Backend::ALL.into_iter().find(|backend| backend.to_string() == kind) {
        None | Some(Backend::Flex) if precision == Precision::F32 => name.to_owned(),
        None | Some(Backend::Flex) => format!("{name} ({precision})"),
        // Numbers of LibTorch are GPUs, which it does not name.
        Some(Backend::LibTorch) if name != kind => format!("{name} ({precision})"),
        Some(backend) => match hardware(backend, device) {
            Some(hardware) => format!("{name} ({hardware}, {precision})"),
            None => format!("{name} ({precision})"),
        },
    }
}

fn entries(backend: Backend) -> Vec<DeviceEntry> {
    let without =
        |reason: String| vec![DeviceEntry { name: backend.to_string(), hardware: None, missing: Some(reason) }];
    if !backend.is_compiled() {
        return without(format!("compile it in with the feature `{}`", backend.feature()));
    }
    let devices = match found(backend, true) {
        Ok(devices) => devices,
        Err(reason) => return without(reason),
    };
    let is_numbered = matches!(backend, Backend::Cuda | Backend::Wgpu);
    let entry = |(index, device): (usize, Device)| DeviceEntry {
        name: if is_numbered { format!("{backend}:{index}") } else { backend.to_string() },
        hardware: hardware(backend, &device),
        missing: None,
    };
    devices.into_iter().enumerate().map(entry).collect()
}

/// A backend's devices, at least one; all of them, or the one that it prefers.
pub(crate) fn found(backend: Backend, all: bool) -> Result<Vec<Device>, String> {
    // What a driver does in a process that it can't serve is its own affair; here it is a reason.
    let devices = std::panic::catch_unwind(|| devices(backend, all));
    let devices = devices.map_err(|_| "its driver could not be started".to_owned())?;
    if devices.is_empty() {
        return Err(match backend {
            Backend::Cuda => "no NVIDIA GPU with a driver was found".to_owned(),
            Backend::Wgpu => "no Vulkan, Metal or DirectX 12 adapter was found".to_owned(),
            Backend::Flex | Backend::LibTorch => "it has no device".to_owned(),
        });
    }
    Ok(devices)
}

#[allow(unused_variables, reason = "what a backend that is not compiled in would look at")]
fn devices(backend: Backend, all: bool) -> Vec<Device> {
    match backend {
        #[cfg(feature = "flex")]
        Backend::Flex => vec![Device::flex()],
        #[cfg(feature = "cuda")]
        Backend::Cuda => Device::enumerate(burn::tensor::DeviceType::Cuda).into_iter().collect(),
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => {
            let devices: Vec<Device> = Device::enumerate(burn::tensor::DeviceType::Wgpu).into_iter().collect();
            if all || devices.is_empty() {
                return devices;
            }
            vec![Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)]
        }
        #[cfg(feature = "tch")]
        #[allow(deprecated, reason = "burn 0.22 is pinned for this backend")]
        Backend::LibTorch => vec![Device::libtorch()],
        #[allow(unreachable_patterns, reason = "reached where a backend is not compiled in")]
        _ => Vec::new(),
    }
}

#[allow(unused_variables, reason = "only GPUs name themselves")]
fn hardware(backend: Backend, device: &Device) -> Option<String> {
    match backend {
        #[cfg(any(feature = "cuda", feature = "wgpu"))]
        Backend::Cuda | Backend::Wgpu => {
            // Opens the device, which can fail.
            let device = device.clone();
            std::panic::catch_unwind(move || device.identity().map(|identity| identity.name)).ok().flatten()
        }
        Backend::Flex | Backend::LibTorch => Some("this machine's CPU".to_owned()),
        #[allow(unreachable_patterns, reason = "reached where a backend is not compiled in")]
        _ => None,
    }
}
