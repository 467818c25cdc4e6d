import { createTheme, MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "@mantine/core/styles.css";
import "./app.css";
import { mendBoards } from "./api/board";
import { queryClient } from "./api/queries";
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
mendBoards();
rememberWhatIsRead();
install((address) => router.history.push(address));
const root = document.getElementById("root");
if (!root) throw new Error("index.html has no root");

// The content security policy takes no inline styles, so Mantine must not add elements of its own.
createRoot(root).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
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
