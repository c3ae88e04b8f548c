// The words of the page, for every component of it.

import { createContext, useContext } from "react";

import { Text } from "./text";

export const TextContext = createContext(new Text("en"));
export const useText = (): Text => useContext(TextContext);
