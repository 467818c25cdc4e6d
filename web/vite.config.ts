import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { build, defineConfig, type Plugin } from "vite";

const OUT = "../src/pullyard/coordinator/static";

/** What is sent compressed is compressed once, here, and as well as it can be. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle({ dir }) {
      const assets = join(dir ?? OUT, "assets");
      for (const name of readdirSync(assets)) {
        if (!/\.(js|css)$/.test(name)) continue;
        const content = readFileSync(join(assets, name));
        writeFileSync(join(assets, `${name}.br`), brotliCompressSync(content));
        writeFileSync(join(assets, `${name}.gz`), gzipSync(content, { level: 9 }));
      }
    },
  };
}

/** A component without its style sheet looks broken, and only where it is shown: better the build is. */
function styled(): Plugin {
  const CLASS = /\bm_[0-9a-f]{6,}\b/g;
  return {
    name: "styled",
    apply: "build",
    generateBundle(_, bundle) {
      const built = Object.values(bundle);
      const code = built.map((one) => (one.type === "chunk" ? one.code : "")).join();
      const styles = built.map((one) =>
        one.type === "asset" && one.fileName.endsWith(".css") ? one.source : "",
      );
      const here = new Set(styles.join().match(CLASS));
      const styled = new Set(readFileSync("node_modules/@mantine/core/styles.css", "utf-8").match(CLASS));
      const used = [...new Set(code.match(CLASS))];
      const missing = used.filter((name) => styled.has(name) && !here.has(name));
      if (missing.length) this.error(`src/mantine.css lacks the style sheets with ${missing.join(", ")}.`);
    },
  };
}

/** The service worker is one file at the root, and knows all files of the pages. */
function serviceWorker(): Plugin {
  return {
    name: "service-worker",
    apply: "build",
    async writeBundle({ dir }, bundle) {
      const out = dir ?? OUT;
      const built = Object.keys(bundle).filter((name) => name.startsWith("assets/"));
      const files = ["/", "/mark.svg", "/mark.png", ...built.map((name) => `/${name}`)];
      const content = createHash("sha256")
        .update(readFileSync(join(out, "index.html")))
        .update(files.join());
      await build({
        configFile: false,
        publicDir: false,
        logLevel: "warn",
        define: { FILES: JSON.stringify(files), VERSION: JSON.stringify(content.digest("hex").slice(0, 16)) },
        build: {
          outDir: out,
          emptyOutDir: false,
          rolldownOptions: {
            input: "src/worker/sw.ts",
            output: { format: "iife", entryFileNames: "sw.js" },
          },
        },
      });
    },
  };
}

export default defineConfig({
  plugins: [react(), styled(), compressed(), serviceWorker()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    // The content security policy takes no data: addresses but for pictures.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      // What every page begins with is one file: each more costs a phone 10 ms.
      output: { codeSplitting: { groups: [{ name: "first", test: /\/src\/main\.tsx$/ }] } },
    },
  },
  server: { proxy: { "/api": { target: "http://127.0.0.1:7878", ws: true } } },
});
