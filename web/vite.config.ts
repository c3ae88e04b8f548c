// Builds the page into service/static: fixed names, one script, nothing inline, the same bytes each time.

import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

// sonner adds its styles by an inline <style>, which the page's policy forbids. They are imported
// as a file instead (src/main.tsx).
const sonnerWithoutInlineStyle: Plugin = {
  name: "sonner-without-inline-style",
  transform(code, id) {
    if (!id.endsWith("sonner/dist/index.mjs")) return null;
    const without = code.replace(/^__insertCSS\(.*\);$/m, "");
    if (without === code) this.error("sonner no longer inserts its styles where it did");
    return { code: without, map: null };
  },
};

const plainTags: Plugin = {
  name: "plain-tags",
  transformIndexHtml: (html) => html.replaceAll(" crossorigin", ""),
};

export default defineConfig({
  plugins: [react(), sonnerWithoutInlineStyle, plainTags],
  publicDir: "public",
  build: {
    outDir: "../service/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: false,
    chunkSizeWarningLimit: 1000,
    rollupOptions: {
      output: { entryFileNames: "app.js", chunkFileNames: "[name].js", assetFileNames: "style[extname]" },
    },
  },
});
