import { createProgram } from "./program.ts";
import { fail } from "./exit.ts";

createProgram().parseAsync(process.argv).catch(fail);
