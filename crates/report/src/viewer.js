// The page's own part: what NiiVue shows, and the switches beside it.
(async () => {
  const text = (id) => document.getElementById(id).textContent;
  const described = JSON.parse(text("described"));
  const named = (id, name) => ({ base64: text(id), name });
  const place = document.getElementById("place");

  const show = new niivue.Niivue({
    backColor: [0.06, 0.06, 0.07, 1],
    show3Dcrosshair: true,
    multiplanarShowRender: 1,
    multiplanarLayout: 2,
    crosshairWidth: 0.5,
    onLocationChange: (found) => { place.textContent = found.string; },
  });
  const canvas = document.getElementById("canvas");
  await show.attachToCanvas(canvas);
  if (!show.gl) throw new Error("this browser has no WebGL 2");

  // A color table of all codes: those that are switched off are clear.
  const table = (entries, isOn) => {
    const codes = [{ code: 0, name: "", color: [0, 0, 0] }, ...entries];
    return {
      R: codes.map((entry) => entry.color[0]),
      G: codes.map((entry) => entry.color[1]),
      B: codes.map((entry) => entry.color[2]),
      A: codes.map((entry, at) => (at > 0 && isOn(at - 1) ? 255 : 0)),
      I: codes.map((entry) => entry.code),
      labels: codes.map((entry) => entry.name),
    };
  };
  const organs = [...document.querySelectorAll("input[name=organ]")];
  const pauses = document.getElementById("pauses");
  const opacity = document.getElementById("opacity");

  const load = (id, name, options) => niivue.NVImage.loadFromBase64({ ...named(id, name), ...options });
  const [low, high] = described.window;
  show.addVolume(await load("scan", "scan.nii", { colormap: "gray", cal_min: low, cal_max: high }));
  show.addVolume(await load("label-map", "labels.nii", { opacity: Number(opacity.value) }));
  if (text("pause-map")) show.addVolume(await load("pause-map", "pauses.nii", { opacity: 0 }));

  const update = () => {
    const [, labels, paused] = show.volumes;
    labels.setColormapLabel(table(described.labels, (at) => organs[at].checked));
    labels.opacity = Number(opacity.value);
    if (paused) {
      paused.setColormapLabel(table(described.pause_points, () => pauses.checked));
      paused.opacity = pauses.checked ? 0.5 : 0;
    }
    show.updateGLVolume();
  };
  const views = {
    multi: show.sliceTypeMultiplanar, axial: show.sliceTypeAxial, coronal: show.sliceTypeCoronal,
    sagittal: show.sliceTypeSagittal, render: show.sliceTypeRender,
  };
  document.querySelectorAll("input[name=view]").forEach((view) =>
    view.addEventListener("change", () => show.setSliceType(views[view.value])));
  [...organs, opacity, pauses].forEach((input) => input?.addEventListener("input", update));
  document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  show.setSliceType(views.multi);
  update();
  document.body.dataset.ready = "yes";
})().catch((error) => {
  document.getElementById("place").textContent = `The scan can't be shown: ${error.message}`;
  document.body.dataset.ready = "failed";
});
