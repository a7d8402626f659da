import { calls } from "../../../calls.js";

export const onRequest = async ({ env }) => Response.json(await calls(env));
