import { createTheme, localStorageColorSchemeManager, MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./mantine.css";
import "./app.css";
import { mendBoards } from "./api/board";
import { ended, queryClient } from "./api/queries";
import { rememberWhatIsRead } from "./api/remember";
import { install } from "./lib/install";
import { router } from "./router";

const theme = createTheme({
  primaryColor: "indigo",
  primaryShade: 8,
  cursorType: "pointer",
  defaultRadius: "md",
  components: {
    Button: { defaultProps: { size: "sm" } },
    // Where several are open they must not fight for the focus.
    // In its place a menu is part of a landmark, and its first item has the focus.
    Menu: {
      defaultProps: {
        transitionProps: { duration: 0 },
        withinPortal: false,
        withInitialFocusPlaceholder: false,
      },
    },
  },
});
const schemes = localStorageColorSchemeManager();
const scheme = schemes.get("auto");
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
// Mantine sets it once all is rendered, which then has to be styled a second time.
document.documentElement.dataset.mantineColorScheme = scheme !== "auto" ? scheme : dark ? "dark" : "light";

mendBoards();
rememberWhatIsRead();
install((address) => router.history.push(address));
const root = document.getElementById("root");
if (!root) throw new Error("index.html has no root");

const PATIENCE_MS = 500;
/** What was asked for with the pages' scripts comes with them: to paint it at once is sooner than in parts. */
async function firstAnswers() {
  await router.load();
  await Promise.all(queryClient.getQueryCache().findAll({ fetchStatus: "fetching" }).map(ended));
}

function show(root: HTMLElement) {
  // The content security policy takes no inline styles, so Mantine must not add elements of its own.
  createRoot(root).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        defaultColorScheme="auto"
        colorSchemeManager={schemes}
        withCssVariables={false}
        withGlobalClasses={false}
        withStaticClasses={false}
        deduplicateInlineStyles={false}
      >
        <QueryClientProvider client={queryClient}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}

const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
void Promise.race([firstAnswers(), patience])
  .catch(() => undefined)
  .then(() => show(root));
