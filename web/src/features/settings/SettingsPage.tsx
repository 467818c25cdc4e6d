import { useTitle } from "../../lib/title";
import { Keys } from "./Keys";
import { Members } from "./Members";
import { Notifications } from "./Notifications";
import { Projects } from "./Projects";
import { Tokens } from "./Tokens";
import "./settings.css";

export function SettingsPage() {
  useTitle("Settings");
  return (
    <div className="stack settings">
      <div className="heading">
        <h1>Settings</h1>
      </div>
      <Projects />
      <Notifications />
      <Keys />
      <Tokens />
      <Members />
    </div>
  );
}
