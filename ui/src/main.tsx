// Where the app starts.
import { render } from "preact";
import { App } from "./app/App";
import { followHashLinks } from "./app/hashLinks";
import { applySettings } from "./app/settings";
import "./styles/index.css";

applySettings();
followHashLinks();
const root = document.getElementById("app");
if (root !== null) render(<App />, root);
